import type { Level } from '../levels/level';
import { combine, noiseIn } from './arithmetic';
import type { Sampler } from './sampler';

/**
 * DDIM backwards, from an image to the noise that `ddim` makes it of (Song et al. 2020, §4.3): each of its steps with
 * the ε̂ at the less noisy end. The two differ by less the more levels there are. `sample` is given the image for xT,
 * and gives the noise.
 *
 * Nothing can be asked at the image itself, which holds no noise: the first step asks at the level next to it, which is
 * named twice.
 * @param levels from noise to image, the same that `ddim` is given
 */
export function ddimInversion(levels: readonly Level[]): Sampler {
  const [last, ...others] = [...levels].reverse();
  const fromImage = last.sigma === 0;
  const visited = [fromImage ? others[0] : last, ...others];
  return {
    levels: visited,
    step(index, [evaluation]) {
      const { x, x0 } = evaluation;
      const next = visited[index + 1];
      const start = fromImage && index === 0 ? x : x0;
      return combine([next.signal, start], [next.sigma, noiseIn(evaluation)]);
    },
  };
}
