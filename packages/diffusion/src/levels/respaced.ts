import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, levelAt } from './level';
import { roundHalfToEven } from './trailing';

/**
 * The levels of a schedule at some of its timesteps, and at last the image (Nichol & Dhariwal 2021, §4): what a sampler
 * visits, and what a bound is of. A step from one to the next adds β' = 1 − ᾱ_t/ᾱ_s, and the network is told the
 * schedule's own t.
 * @param timesteps in any order, such as `spacedTimesteps(1000, 'ddim25')`; one that stands twice counts once
 * @throws RangeError if there is none, or one is not a timestep of the schedule
 */
export function respaced(schedule: NoiseSchedule, timesteps: Iterable<number>): Level[] {
  const kept = [...new Set(timesteps)].sort((a, b) => b - a);
  const wrong = kept.find((t) => !Number.isInteger(t) || t < 0 || t >= schedule.timesteps);
  if (wrong !== undefined || kept.length === 0)
    throw new RangeError(
      `respaced: timesteps must be whole numbers from 0 to ${schedule.timesteps - 1}, got ${wrong ?? 'none'}`,
    );
  return [...kept.map((t) => levelAt(schedule, t)), clean];
}

/**
 * Which timesteps to keep, as improved-diffusion's and guided-diffusion's `timestep_respacing` says (their
 * `space_timesteps`): so many of each of equally long sections, evenly from each section's first to its last, or
 * `'ddim25'`, 25 in even strides from 0.
 * @param timesteps T
 * @param sections how many of each section, such as `[10, 15, 20]` or `'10,15,20'`, or `'ddim'` and a number
 * @returns in ascending order
 * @throws RangeError if a section has not so many, or no stride gives exactly as many
 */
export function spacedTimesteps(timesteps: number, sections: string | readonly number[]): number[] {
  if (typeof sections === 'string' && sections.startsWith('ddim')) {
    const asked = Number(sections.slice('ddim'.length));
    for (let stride = 1; stride < timesteps; stride++)
      if (Math.ceil(timesteps / stride) === asked) return Array.from({ length: asked }, (_, i) => i * stride);
    throw new RangeError(`spacedTimesteps: no stride takes exactly ${asked} of ${timesteps} timesteps`);
  }
  const counts = typeof sections === 'string' ? sections.split(',').map(Number) : sections;
  const wrong = counts.find((count) => !Number.isInteger(count) || count < 0);
  if (wrong !== undefined || counts.length === 0)
    throw new RangeError(
      `spacedTimesteps: sections must be whole numbers such as 10,15,20, or ddim and a number; got ${String(sections)}`,
    );
  const kept = new Set<number>();
  let start = 0;
  for (const [i, count] of counts.entries()) {
    const size = Math.floor(timesteps / counts.length) + (i < timesteps % counts.length ? 1 : 0);
    if (count > size)
      throw new RangeError(
        `spacedTimesteps: a section of ${size} timesteps cannot give ${count}, as asked of section ${i}`,
      );
    const stride = count > 1 ? (size - 1) / (count - 1) : 1;
    // Summed as theirs is, so that rounding agrees.
    let place = 0;
    for (let k = 0; k < count; k++, place += stride) kept.add(start + roundHalfToEven(place));
    start += size;
  }
  return [...kept].sort((a, b) => a - b);
}
