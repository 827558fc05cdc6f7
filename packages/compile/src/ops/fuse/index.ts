import type { Fusions, Value } from '../../graph';
import { gelu, normalCdf, scaledExp } from './activation';
import { biasedProduct, headProduct, splitProduct } from './matrices';
import { affineNormalisation, normalise, normaliseGradient } from './normalisation';
import { factoredReduce } from './reduction';

/* Patterns of several passes over a large tensor that can be computed in fewer. Each is recognised where its last operator is built. */

type Pattern = (a: Value, b: Value) => Value | undefined;

/** The first of some patterns that operands make, in this order or the other. */
export function eitherWay(...patterns: readonly Pattern[]): Pattern {
  const oneWay: Pattern = (a, b) => {
    for (const pattern of patterns) {
      const fused = pattern(a, b);
      if (fused) return fused;
    }
    return undefined;
  };
  return (a, b) => oneWay(a, b) ?? oneWay(b, a);
}

const biased = eitherWay(biasedProduct);
const normalised = eitherWay(affineNormalisation);

export const fusions = {
  sum: (a, b) => biased(a, b) ?? normalised(a, b),
  product: eitherWay(normalise, normaliseGradient, normalCdf, gelu, scaledExp),
  reduction: factoredReduce,
  transpose: headProduct,
  split: splitProduct,
} satisfies Fusions;
