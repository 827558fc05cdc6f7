import { join } from 'node:path';
import type { EventWriter } from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import type { Run } from '../prepare';
import { useWeights } from '../prepare';
import type { Reporter } from '../reporter';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/** A picture of what has been learned every so many steps and at the end: `previews/step-<step>.png`. */
export function previews(
  { training, learner, settings, stepsPerEpoch }: Run,
  {
    folder,
    writer,
    reporter,
    tolerate,
  }: { folder: string; writer: EventWriter; reporter: Reporter; tolerate: Tolerate },
): Observer {
  const every = settings.sampleEvery ?? stepsPerEpoch;
  if (!training.preview) return {};
  const write = async (done: number) => {
    useWeights(learner);
    const image = await training.preview!();
    const png = encodePng(image);
    const path = join(folder, 'previews', `step-${String(done).padStart(6, '0')}.png`);
    await makeFolder(join(folder, 'previews'));
    await writeFileAtomic(path, png);
    writer.image('samples', done, { ...image, png });
    reporter.say(`Samples after ${done} steps: ${path}`);
  };
  return {
    async step({ done, last }) {
      if (isDue(every, done) && !last) await tolerate(() => write(done));
    },
    async keep(done, finished) {
      if (finished && every > 0) await write(done);
    },
  };
}
