/** How the learning rate goes on after its warm-up. */
export type Decay = 'constant' | 'linear' | 'cosine';
/** Every `Decay`. */
export const decays: readonly Decay[] = ['constant', 'linear', 'cosine'];

/**
 * The learning rate of each step: up from base/warmup in even steps to `base`, then constant, or down to 0 at the end
 * in a straight line or along a half cosine (Loshchilov & Hutter 2017).
 * @param options.base the rate in full
 * @param options.warmup steps until `base` is reached
 * @param options.decay how it goes on
 * @param options.steps the length of the run, which the decay ends with
 * @returns the rate of a step, counted from 0
 */
export function learningRate({
  base,
  warmup = 0,
  decay = 'constant',
  steps,
}: {
  base: number;
  warmup?: number;
  decay?: Decay;
  steps: number;
}): (step: number) => number {
  return (step) => {
    if (step < warmup) return (base * (step + 1)) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    if (decay === 'linear') return base * (1 - progress);
    return decay === 'cosine' ? (base * (1 + Math.cos(Math.PI * progress))) / 2 : base;
  };
}
