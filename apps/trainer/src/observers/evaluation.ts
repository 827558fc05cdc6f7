import { curvesOf } from '@ddpm/app-common';
import type { Reference } from '@ddpm/evaluation';
import { floorOf, measure, openReference, see } from '@ddpm/evaluation';
import type { Run } from '../prepare';
import { useWeights } from '../prepare';
import type { Reporter } from '../reporter';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/** Images that are drawn, where nobody says how many. */
const IMAGES = 1024;

/**
 * Draws images by the averaged weights now and then and at the end, always of the same noise, and measures how close
 * they are to the training images.
 */
export function evaluation(
  { settings, training, learner, pictures, judge }: Run,
  { reporter, tolerate }: { reporter: Reporter; tolerate: Tolerate },
): Observer {
  const { evaluateEvery = 0, evaluateImages: count = IMAGES, seed } = settings;
  if (!judge) return {};
  let reference: Reference | undefined;
  const open = async () => {
    reporter.say(`Features: ${judge.name} (${judge.hash}), of ${pictures.size.toLocaleString('en')} training images`);
    const opened = await openReference(settings.dataset, pictures, judge);
    const floor = await floorOf(judge, { reference: opened }, count, { seed });
    reporter.say(`Fréchet distance of ${floor.n} real images to the others: ${floor.frechetDistance.toFixed(2)}`);
    return opened;
  };
  return {
    async step({ done, last, measured }) {
      if (!last && !isDue(evaluateEvery, done)) return;
      await tolerate(async () => {
        reference ??= await open();
        await useWeights(learner);
        const images = await training.images!(count);
        const measures = measure(judge, images, await see(judge, images), reference, { seed });
        Object.assign(measured, curvesOf(measures));
        reporter.say(
          `Fréchet distance of ${count} images after ${done} steps: ${measures.frechetDistance.toFixed(2)}, precision ${measures.precision.toFixed(3)}, recall ${measures.recall.toFixed(3)}`,
        );
      });
    },
  };
}
