import type { SchedulerConfig } from './config';
import { oneOf } from './config';
import { denoiseOf, readings } from './denoise';
import { flowLevel, shifted, toTerminal } from './levels';
import type { Step } from './linear';
import { linear } from './linear';
import { linspace } from './numbers';
import type { Scheduler } from './scheduler';
import { checkSteps, namedSigmas } from './spacing';

/** `FlowMatchEulerDiscreteScheduler` (Lipman et al. 2023, Esser et al. 2024): x + (σ_s − σ_t)·output. */
export function flowMatchEuler(config: SchedulerConfig, steps: number): Scheduler {
  oneOf(config, 'use_dynamic_shifting', false);
  oneOf(config, 'invert_sigmas', false);
  const { shift_terminal: terminal, stochastic_sampling: stochastic } = config;
  const shiftedSigmas = flowSigmas(config, steps);
  const even = terminal ? toTerminal(shiftedSigmas, terminal) : shiftedSigmas;
  const levels = levelsOf(config, namedSigmas(config, even[0], even[steps - 1], steps) ?? even);
  const sampler = linear(config.className, levels, (index): Step => {
    const [level, next] = [levels[index], levels[index + 1]];
    return stochastic ? { x0: [1 - next.sigma], noise: next.sigma } : { x: [1], output: [next.sigma - level.sigma] };
  });
  return { sampler, initialScale: 1, denoise: denoiseOf(config, { reading: readings.flow_prediction }) };
}

/** `FlowMatchHeunDiscreteScheduler`: Euler's step, and again with the mean of the outputs at both its ends. */
export function flowMatchHeun(config: SchedulerConfig, steps: number): Scheduler {
  const [first, ...rest] = levelsOf(config, flowSigmas(config, steps));
  const ends = rest.slice(0, -1);
  const levels = [first, ...ends.flatMap((level) => [level, level]), rest[rest.length - 1]];
  const sampler = linear(
    config.className,
    levels,
    (index, known): Step => {
      const at = (i: number) => levels[i].sigma;
      if (index % 2 === 0) return { x: [1], output: [at(index + 1) - at(index)] };
      if (known < 2)
        throw new RangeError(
          `${config.className}: sampling cannot begin at level ${index}, which is in the middle of a step`,
        );
      const half = (at(index) - at(index - 1)) / 2;
      return { x: [0, 1], output: [half, half] };
    },
    { memory: 2 },
  );
  return { sampler, initialScale: 1, denoise: denoiseOf(config, { reading: readings.flow_prediction }) };
}

/** σ from noise to image; shifted twice at its ends, as diffusers does. */
function flowSigmas(config: SchedulerConfig, steps: number): number[] {
  const { num_train_timesteps: T, shift } = config;
  checkSteps(config, steps, Infinity);
  const [high, low] = [1, Math.fround(1 / T)].map((sigma) => Math.fround(shifted(sigma, shift)));
  return linspace(high * T, low * T, steps).map((time) => shifted(time / T, shift));
}

const levelsOf = ({ num_train_timesteps: T }: SchedulerConfig, sigmas: readonly number[]) => [
  ...sigmas.map((sigma) => flowLevel(Math.fround(sigma), Math.fround(Math.fround(sigma) * T))),
  flowLevel(0, 0),
];
