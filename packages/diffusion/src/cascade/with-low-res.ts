import type { NormalSource, Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';

/** How a task's examples get their small pictures; `lowRes` is needed. */
export interface LowResOptions {
  /** An image's small picture, brought to its size: [h, w, c] → [h, w, c]. */
  lowRes: (image: Float32Array, shape: readonly number[]) => Float32Array;
  /** The noisiest that small pictures become, from 0, which is none, to below 1; 0.5 by default. */
  maxAugmentation?: number;
}

/**
 * z = √(1 − s²) y + s ε: a small picture y with noise of the level s, which hides what a generated one gets wrong (Ho et
 * al. 2021, §4.2). y may be many pictures one after the other.
 */
export function augmented(y: Float32Array, s: number, rng: NormalSource): Float32Array {
  const noise = rng.normals(y.length);
  const signal = Math.sqrt(1 - s * s);
  return y.map((value, i) => signal * value + s * noise[i]);
}

/**
 * Training of a super-resolution network: a task whose examples get `lowRes`, their own image as a small picture with
 * noise, and `augmentation`, the level s of that, uniform from 0 to `maxAugmentation` (conditioning augmentation, Ho et
 * al. 2021, §4.2). What is drawn comes after all of the task's own.
 * @param task such as `denoising` of a `superResolution` network
 * @throws RangeError unless maxAugmentation is from 0 to below 1
 */
export function withLowRes(task: Task, { lowRes, maxAugmentation = 0.5 }: LowResOptions): Task {
  if (!(maxAugmentation >= 0 && maxAugmentation < 1))
    throw new RangeError(`withLowRes: maxAugmentation must be from 0 to below 1, got ${maxAugmentation}`);
  return {
    ...task,
    draw(examples: Batch, rng: Random): Batch {
      const { data, item } = examples.image;
      const size = item.reduce((a, b) => a * b, 1);
      const n = data.length / size;
      const small = { data: new Float32Array(data.length), item };
      const levels = { data: new Float32Array(n), item: [] };
      const drawn = task.draw({ ...examples, lowRes: small, augmentation: levels }, rng);
      for (let i = 0; i < n; i++) {
        const [start, end] = [i * size, (i + 1) * size];
        levels.data[i] = maxAugmentation * rng.uniform();
        const picture = lowRes((data as Float32Array).subarray(start, end), item);
        small.data.set(augmented(picture, levels.data[i], rng), start);
      }
      return { ...drawn, lowRes: small, augmentation: levels };
    },
  };
}
