import type { ByteImage } from '@ddpm/images';
import type { Run } from '../prepare';
import { useWeights } from '../prepare';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/**
 * A picture of what has been learned every so many steps and at the end.
 * @param options.show what becomes of it
 */
export function previews(
  { training, learner, settings, stepsPerEpoch }: Run,
  { show, tolerate }: { show: (done: number, image: ByteImage) => Promise<void>; tolerate: Tolerate },
): Observer {
  const every = settings.sampleEvery ?? stepsPerEpoch;
  if (!training.preview) return {};
  const draw = async (done: number) => {
    await useWeights(learner);
    await show(done, await training.preview!());
  };
  return {
    async step({ done, last }) {
      if (isDue(every, done) && !last) await tolerate(() => draw(done));
    },
    async keep(done, finished) {
      if (finished && every > 0) await draw(done);
    },
  };
}
