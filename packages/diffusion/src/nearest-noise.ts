import type { Batch, Task } from '@ddpm/train';
import { count } from '@ddpm/train';

/** How much noise there is to choose from. */
export interface NearestNoiseOptions {
  /** How many ε are drawn for each image; 1 leaves the task as it is. */
  among: number;
}

/**
 * A task each of whose images gets the noise nearest to it among several, by the sum of squares (immiscible diffusion, Li
 * et al. 2024, with the choice of k noises of arXiv:2505.18521 in the place of an assignment): images go to noise that is
 * like them, so that fewer of them meet in the same noise. The noises to choose from come after all of the task's own
 * draws, so that levels are those that it has without.
 * @throws RangeError unless among is a whole number of at least 1; and, when it is drawn, if the task's inputs have no
 * `image` or `noise`
 */
export function withNearestNoise(task: Task, { among }: NearestNoiseOptions): Task {
  if (!Number.isSafeInteger(among) || among < 1)
    throw new RangeError(`withNearestNoise: among must be a whole number of at least 1, got ${among}`);
  if (among === 1) return task;
  return {
    ...task,
    draw(examples, rng): Batch {
      const drawn = task.draw(examples, rng);
      const missing = ['image', 'noise'].find((name) => !(name in drawn));
      if (missing !== undefined)
        throw new RangeError(
          `withNearestNoise: the task's inputs have no '${missing}', only ${Object.keys(drawn).join(', ')}`,
        );
      const { data: images } = drawn.image;
      const noise = drawn.noise.data.slice();
      const n = count(drawn);
      const size = noise.length / n;
      const distance = (of: ArrayLike<number>, at: number, first: number) => {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += (images[first + i] - of[at + i]) ** 2;
        return sum;
      };
      const least = Float64Array.from({ length: n }, (_, i) => distance(noise, i * size, i * size));
      for (let other = 1; other < among; other++) {
        const candidates = rng.normals(noise.length);
        for (let first = 0, i = 0; i < n; i++, first += size) {
          const sum = distance(candidates, first, first);
          if (sum >= least[i]) continue;
          least[i] = sum;
          noise.set(candidates.subarray(first, first + size), first);
        }
      }
      return { ...drawn, noise: { ...drawn.noise, data: noise } };
    },
  };
}
