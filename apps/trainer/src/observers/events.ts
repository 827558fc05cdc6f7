import { join } from 'node:path';
import type { EventWriter } from '@ddpm/app-common';
import { createEventWriter } from '@ddpm/app-common';
import { metricsOf } from '../metrics-of';
import type { Training } from '../tasks/training';
import type { Observer, Tolerate } from './observer';

/** TensorBoard's scalars for each step. */
export function events(
  writer: EventWriter,
  { training, tolerate }: { training: Training; tolerate: Tolerate },
): Observer {
  return {
    async step(step) {
      const { quartiles = [], losses = {}, loss, gradNorm, learningRate, imagesPerSecond } = metricsOf(step, training);
      const scalars: Record<string, number | null> = {
        loss,
        gradNorm,
        learningRate,
        imagesPerSecond,
        ...step.measured,
      };
      for (const [name, value] of Object.entries(losses)) scalars[`losses/${name}`] = value;
      quartiles.forEach((value, i) => (scalars[`quartiles/${i + 1}`] = value));
      await tolerate(() => {
        for (const [tag, value] of Object.entries(scalars)) if (value !== null) writer.scalar(tag, step.step, value);
      });
    },
    close: () => writer.close(),
  };
}

/** Opens the events of a run that goes on from a step. */
export const openEvents = (folder: string, step: number): EventWriter =>
  createEventWriter(join(folder, 'tensorboard'), { step });
