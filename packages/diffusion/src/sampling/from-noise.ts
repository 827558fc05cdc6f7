import type { Level } from '../levels/level';
import { ddim } from './ddim';
import type { Sampler } from './sampler';

/**
 * Lets a sampler begin with noise alone, where σ = sigma/signal is infinite and its own formulas have no numbers. Its
 * first step is then exact without them: x is the noise, and x_s = signal_s x̂_0 + sigma_s x, as of `ddim`. What comes
 * after is the sampler's own from the noisiest level with signal. It does not look back on the noise: the slope of x̂_0
 * from there, in λ or in log σ, is 0.
 * @typeParam Make the function that makes it
 * @param make a sampler of levels with signal, and of what else it takes
 * @returns the same of levels of which the first may have no signal
 * @throws RangeError, when it is called, if another has none
 */
export function fromNoise<Make extends (levels: readonly Level[], ...options: never[]) => Sampler>(make: Make): Make {
  const began = (levels: readonly Level[], ...options: never[]): Sampler => {
    const dark = levels.findIndex(({ signal }, i) => i > 0 && !(signal > 0));
    if (dark > 0)
      throw new RangeError(
        `fromNoise: every level but the first needs a signal above 0, got ${levels[dark].signal} at level ${dark}`,
      );
    if (levels[0].signal > 0) return make(levels, ...options);
    if (levels.length === 2) return ddim(levels);
    const after = make(levels.slice(1), ...options);
    const begin = ddim([levels[0], after.levels[0]]);
    return {
      levels: [levels[0], ...after.levels],
      memory: after.memory,
      step(index, evaluations, rng) {
        if (index === 0) return begin.step(0, evaluations, rng);
        const [now, ...before] = evaluations;
        return after.step(index - 1, [now, ...before.slice(0, index - 1)], rng);
      },
    };
  };
  return began as Make;
}
