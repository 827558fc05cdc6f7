import type { JsonObject } from '@ddpm/checkpoint/format';
import type { Parameterisation } from '@ddpm/diffusion';
import { epsilon, image, velocity } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';
import { scheduleFromBetas } from '@ddpm/schedules';
import { z } from 'zod';

/** The parameterisations by the names that checkpoints and command lines give them. */
export const parameterisations: Readonly<Record<string, Parameterisation>> = Object.fromEntries(
  [epsilon, image, velocity].map((parameterisation) => [parameterisation.name, parameterisation]),
);

const size = z.int().positive();
const schema = z.strictObject({
  task: z.literal('denoising', { error: 'only denoising is known' }),
  image: z.tuple([size, size, size]),
  parameterisation: z.enum(Object.keys(parameterisations)),
  levels: z.strictObject({ betas: z.array(z.number()).min(1) }),
  classNames: z.array(z.string()).optional(),
});

/** A denoiser's images, parameterisation, levels and classes. */
export interface DenoiserMeaning {
  /** The shape of its images. */
  readonly image: readonly [h: number, w: number, c: number];
  /** The meaning of its output. */
  readonly parameterisation: Parameterisation;
  /** The levels that it knows: those of a schedule. */
  readonly schedule: NoiseSchedule;
  /** Names of the classes that its condition `label` counts, if it takes one. */
  readonly classNames?: readonly string[];
}

/** A denoiser's meaning as a checkpoint holds it. */
export function meaningToJson({ image: shape, parameterisation, schedule, classNames }: DenoiserMeaning): JsonObject {
  return {
    task: 'denoising',
    image: [...shape],
    parameterisation: parameterisation.name,
    levels: { betas: [...schedule.betas] },
    ...(classNames && { classNames: [...classNames] }),
  };
}

/**
 * A denoiser's meaning, read from what a checkpoint holds.
 * @throws Error in one line that says what is not as expected
 */
export function meaningFromJson(json: JsonObject): DenoiserMeaning {
  const result = schema.safeParse(json);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    // The message quotes the file.
    throw new Error(
      `its ${['meaning', ...path].join('.')} is not as expected: ${message.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  const { image: shape, parameterisation, levels, classNames } = result.data;
  return {
    image: shape,
    parameterisation: parameterisations[parameterisation],
    schedule: scheduleFromBetas(Float64Array.from(levels.betas)),
    ...(classNames && { classNames }),
  };
}
