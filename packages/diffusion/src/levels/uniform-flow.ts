import { flowAt } from './level';
import type { LevelSource } from './source';

/** A flow's levels with t ~ U(0, 1] (Lipman et al. 2023; Liu et al. 2023); never the image itself. */
export function uniformFlow(): LevelSource {
  return { draw: (n, rng) => Array.from({ length: n }, () => ({ level: flowAt(1 - rng.uniform()) })) };
}
