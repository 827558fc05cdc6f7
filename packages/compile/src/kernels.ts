import type { Fusions } from './graph';
import { biasedConv } from './lower/conv/bias';
import { convolutions } from './lower/conv/conv';
import { depthwiseConvolutions } from './lower/conv/depthwise';
import { elementwise } from './lower/elementwise';
import type { Lowerings } from './lower/lowering';
import { matrices } from './lower/matmul';
import { reductions } from './lower/reduce';
import { separable } from './lower/separable';
import { shapes } from './lower/shape';
import { eitherWay, fusions as ofOperators } from './ops/fuse';

/** Every tfjs kernel that can be compiled, but for the composed ones. */
export const lowerings: Lowerings = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...matrices,
  ...convolutions,
  ...depthwiseConvolutions,
  ...separable,
};

const biased = eitherWay(biasedConv);

/** The patterns that are recognised in what they compute. */
export const fusions: Fusions = { ...ofOperators, sum: (a, b) => biased(a, b) ?? ofOperators.sum(a, b) };
