import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { attend, joinHeads, splitHeads } from './attend';
import { checkDivides, checkShape, checkSizes } from './check';
import type { Init } from './init';
import { Linear } from './linear';

/** Sizes and initial weights of a `MultiHeadAttention`. */
export interface MultiHeadAttentionOptions {
  /** Features in and out. */
  dim: number;
  /** How many heads. */
  heads: number;
  /** Features of each head; dim/heads by default. */
  dimHead?: number;
  /** Features of the context that keys and values are read from; dim by default. */
  contextDim?: number;
  /** Whether the queries, keys and values have a bias; true by default. */
  qkvBias?: boolean;
  /** How the weights begin, beside biases of 0; by default all begin as PyTorch's `Linear`. */
  init?: Init;
  /** How the last weight begins; `zeroInit` makes the output begin at 0. `init` by default. */
  outInit?: Init;
  /** Draws the initial weights. */
  rng: Random;
}

/** Multi-head attention over sequences (Vaswani et al. 2017, §3.2.2), of a sequence to itself or to a context. */
export class MultiHeadAttention {
  /** dim → heads·dimHead. */
  readonly toQ: Linear;
  /** contextDim → heads·dimHead. */
  readonly toK: Linear;
  /** contextDim → heads·dimHead. */
  readonly toV: Linear;
  /** heads·dimHead → dim. */
  readonly toOut: Linear;
  readonly heads: number;

  /**
   * @throws RangeError unless every size is a whole number of at least 1, and heads divides dim where dimHead is not
   * given.
   */
  constructor({
    dim,
    heads,
    dimHead,
    contextDim = dim,
    qkvBias = true,
    init,
    outInit = init,
    rng,
  }: MultiHeadAttentionOptions) {
    checkSizes('MultiHeadAttention', { dim, heads, contextDim });
    if (dimHead === undefined) checkDivides('MultiHeadAttention', ['dim', dim], ['heads', heads]);
    else checkSizes('MultiHeadAttention', { dimHead });
    const inner = dimHead === undefined ? dim : heads * dimHead;
    this.toQ = new Linear({ inFeatures: dim, outFeatures: inner, bias: qkvBias, init, rng });
    this.toK = new Linear({ inFeatures: contextDim, outFeatures: inner, bias: qkvBias, init, rng });
    this.toV = new Linear({ inFeatures: contextDim, outFeatures: inner, bias: qkvBias, init, rng });
    this.toOut = new Linear({ inFeatures: inner, outFeatures: dim, init: outInit, rng });
    this.heads = heads;
  }

  /**
   * x: [n, queries, dim] → [n, queries, dim].
   * @param options.context [n, keys, contextDim]; x itself by default
   * @param options.mask float32, added to the scores, broadcastable to [n, heads, queries, keys]: `causalMask`,
   * `paddingMask`, or their sum
   * @throws RangeError if one of them is of another shape, TypeError if the mask is not float32.
   */
  apply(x: tf.Tensor3D, { context = x, mask }: { context?: tf.Tensor3D; mask?: tf.Tensor } = {}): tf.Tensor3D {
    checkShape('MultiHeadAttention', x, ['n', 'queries', this.toQ.weight.shape[0]]);
    checkShape('MultiHeadAttention', context, [x.shape[0], 'keys', this.toK.weight.shape[0]], 'a context');
    if (mask) checkMask(mask, [x.shape[0], this.heads, x.shape[1], context.shape[1]]);
    return tf.tidy(() => {
      const [q, k, v] = [this.toQ.apply(x), this.toK.apply(context), this.toV.apply(context)].map((part) =>
        splitHeads(part, this.heads),
      );
      return this.toOut.apply(joinHeads(attend(q, k, v, mask)));
    });
  }
}

function checkMask(mask: tf.Tensor, scores: readonly number[]): void {
  // A mask of true and false would be added as 1 and 0, and mask nothing.
  if (mask.dtype !== 'float32') {
    throw new TypeError(
      `MultiHeadAttention: a mask is added to the scores, so it must be float32, got ${mask.dtype}; paddingMask makes one`,
    );
  }
  const start = scores.length - mask.rank;
  if (start < 0 || mask.shape.some((size, i) => size !== 1 && size !== scores[start + i])) {
    throw new RangeError(
      `MultiHeadAttention: a mask must broadcast to [${scores.join(', ')}], got [${mask.shape.join(', ')}]`,
    );
  }
}
