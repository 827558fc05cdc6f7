import type { Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';
import { randomMask } from './random-mask';

/**
 * Training of an inpainting network: a task whose examples get `mask`, which of the image is to be drawn, by `randomMask`,
 * and `known`, the image with zeros there (Nichol et al. 2021, GLIDE, §2.4). The loss is that of the whole image. What is
 * drawn comes after all of the task's own.
 * @param task such as `denoising` of an `inpainting` network
 */
export function withMasks(task: Task): Task {
  return {
    ...task,
    draw(examples: Batch, rng: Random): Batch {
      const { data, item } = examples.image;
      const [h, w, c] = item;
      const n = data.length / (h * w * c);
      const known = { data: Float32Array.from(data), item };
      const mask = { data: new Float32Array(n * h * w), item: [h, w, 1] };
      const drawn = task.draw({ ...examples, known, mask }, rng);
      for (let i = 0; i < n; i++) mask.data.set(randomMask(h, w, rng), i * h * w);
      mask.data.forEach((toDraw, place) => toDraw && known.data.fill(0, place * c, (place + 1) * c));
      return { ...drawn, known, mask };
    },
  };
}
