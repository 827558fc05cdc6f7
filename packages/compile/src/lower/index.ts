import { convolutions } from './conv';
import { depthwiseConvolutions } from './depthwise';
import { elementwise } from './elementwise';
import type { Lowerings } from './lowering';
import { matrices } from './matmul';
import { reductions } from './reduce';
import { separable } from './separable';
import { shapes } from './shape';

/** Every tfjs kernel that can be compiled. */
export const lowerings: Lowerings = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...matrices,
  ...convolutions,
  ...depthwiseConvolutions,
  ...separable,
};
