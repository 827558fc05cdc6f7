import type { HeldParameter } from '@ddpm/layers';
import { Conv2d, heldParameters, Linear, torchAxes } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import type { Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** The update of one weight, ΔW = scale·up·down, in PyTorch's layout. */
export interface LoraUpdate {
  /** A: [rank, in] of a matrix, [rank, in, h, w] of a convolution. */
  readonly down: tf.Variable;
  /** B: [out, rank], or [out, rank, 1, 1]. */
  readonly up: tf.Variable;
  /** α/rank. */
  readonly scale: number;
}

/** Low-rank updates by the paths of the weights that they are of. */
export type Lora = ReadonlyMap<string, LoraUpdate>;

/** Which updates there are; `rank` and `rng` are needed. */
export interface LoraOptions {
  /** How many directions each update has. */
  rank: number;
  /** The updates count α/rank; `rank` by default. */
  alpha?: number;
  /** Which layers, by their paths; all matrices and convolutions by default. */
  layers?: (path: string) => boolean;
  /** Draws the beginning of A. */
  rng: Random;
}

/** The weights that can have updates: those of `Linear` and `Conv2d`, by the paths of these. */
export const updatable = (module: object): Map<string, HeldParameter> =>
  new Map(
    [...heldParameters(module)].flatMap(([path, held]) =>
      held.field === 'weight' && (held.owner instanceof Linear || held.owner instanceof Conv2d)
        ? [[path.replace(/\.?weight$/, ''), held]]
        : [],
    ),
  );

/**
 * Low-rank updates of a network's matrices and convolutions (Hu et al. 2021), which change nothing as they begin: B is
 * 0, and A drawn as PyTorch draws weights.
 * @throws RangeError unless rank is a whole number of at least 1, alpha a number above 0, and there is a layer to update
 */
export function lora(module: object, { rank, alpha = rank, layers = () => true, rng }: LoraOptions): Lora {
  if (!Number.isInteger(rank) || rank < 1)
    throw new RangeError(`lora: rank must be a whole number from 1, got ${rank}`);
  if (!(alpha > 0)) throw new RangeError(`lora: alpha must be a number above 0, got ${alpha}`);
  const axes = torchAxes(module);
  const updates = new Map<string, LoraUpdate>();
  for (const [path, { variable }] of updatable(module)) {
    if (!layers(path)) continue;
    const [out, ...rest] = axes.get(path === '' ? 'weight' : `${path}.weight`)!.map((axis) => variable.shape[axis]);
    const bound = 1 / Math.sqrt(tf.util.sizeFromShape(rest));
    const values = Float32Array.from(
      { length: rank * tf.util.sizeFromShape(rest) },
      () => bound * (2 * rng.uniform() - 1),
    );
    updates.set(path, {
      down: tf.tidy(() => tf.variable(tf.tensor(values, [rank, ...rest]))),
      up: tf.tidy(() => tf.variable(tf.zeros([out, rank, ...rest.slice(1).map(() => 1)]))),
      scale: alpha / rank,
    });
  }
  if (updates.size === 0) throw new RangeError('lora: no layer of the network is to be updated');
  return updates;
}

/** The variables of updates by name: `<layer>.down` and `<layer>.up`, after a word of one's own. */
export const loraParameters = (updates: Lora, before = 'lora'): Variables =>
  new Map(
    [...updates].flatMap(([path, { down, up }]) => [
      [`${before}.${path}.down`, down] as const,
      [`${before}.${path}.up`, up] as const,
    ]),
  );

/** Updates, and how much of them: 1 is all. */
export interface AppliedLora {
  /** The updates. */
  readonly lora: Lora;
  /** The factor of ΔW; 1 by default. */
  readonly strength?: number;
}

/** ΔW in our layout. */
function change({ down, up, scale }: LoraUpdate, axes: readonly number[], strength: number): tf.Tensor {
  const [rank, ...rest] = down.shape;
  const rows = tf.matMul(tf.reshape<tf.Rank.R2>(up, [-1, rank]), tf.reshape<tf.Rank.R2>(down, [rank, -1]));
  const ofTorch = tf.reshape(rows, [up.shape[0], ...rest]);
  return tf.mul(
    tf.transpose(
      ofTorch,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
    scale * strength,
  );
}

/** The layers that updates are of, with their whole change. */
function changes(module: object, applied: readonly AppliedLora[]) {
  const [held, axes] = [updatable(module), torchAxes(module)];
  const paths = new Set(applied.flatMap(({ lora: updates }) => [...updates.keys()]));
  return [...paths].map((path) => {
    const place = held.get(path);
    if (!place) throw new RangeError(`lora: the network has no matrix or convolution '${path}' to update`);
    const order = axes.get(path === '' ? 'weight' : `${path}.weight`)!;
    const expected = order.map((axis) => place.variable.shape[axis]);
    const own = applied.flatMap(({ lora: updates, strength = 1 }) => {
      const update = updates.get(path);
      if (!update) return [];
      const shape = [update.up.shape[0], ...update.down.shape.slice(1)];
      if (shape.join() !== expected.join() || update.up.shape[1] !== update.down.shape[0])
        throw new RangeError(
          `lora: the update of '${path}' is of [${shape.join(', ')}], its weight [${expected.join(', ')}]`,
        );
      return [{ update, strength }];
    });
    return {
      place,
      updated: () =>
        own.reduce<tf.Tensor>(
          (sum, { update, strength }) => tf.add(sum, change(update, order, strength)),
          place.variable,
        ),
    };
  });
}

/** A network: whatever is applied to inputs. */
export interface LoraNetwork {
  /** Inputs → output. */
  apply(...inputs: never[]): tf.Tensor;
}

/**
 * A network with updates kept apart: W + ΔW stands in each layer while it is applied. Whatever the layers do with their
 * weights, gradients reach A and B; W itself is not trained, unless it is among the parameters. Of parameters alone,
 * ΔW is worked out once a step where it is compiled.
 * @typeParam N the network, which keeps its other fields
 * @throws RangeError if a layer is not in the network, or an update not of its shape
 */
export function withLora<N extends LoraNetwork>(network: N, applied: readonly AppliedLora[]): N {
  const layers = changes(network, applied);
  const apply = (...inputs: never[]) =>
    tf.tidy(() => {
      const all = layers.map(({ place, updated }) => ({ ...place, value: updated() }));
      const set = (of: (each: (typeof all)[number]) => tf.Tensor) => {
        for (const each of all) (each.owner as Record<string, tf.Tensor>)[each.field] = of(each);
      };
      set(({ value }) => value);
      try {
        return network.apply(...inputs);
      } finally {
        set(({ variable }) => variable);
      }
    });
  return Object.create(network, { apply: { value: apply } }) as N;
}

/**
 * Adds updates to the weights themselves, for good.
 * @throws RangeError, before anything is changed, as `withLora` does
 */
export function mergeLora(module: object, applied: readonly AppliedLora[]): void {
  for (const { place, updated } of changes(module, applied)) tf.tidy(() => place.variable.assign(updated()));
}
