import { join } from 'node:path';
import { saveCheckpoint, writeFileAtomic } from '@ddpm/checkpoint';
import type { Identity } from '../checkpoint';
import { checkpointOf } from '../checkpoint';
import type { Run } from '../prepare';
import { useWeights } from '../prepare';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/** Numbered checkpoints in the run folder, and what a training writes beside them, every so many steps and at the end. */
export function checkpoints(
  run: Run,
  { folder, identity, start, tolerate }: { folder: string; identity: Identity; start: number; tolerate: Tolerate },
): Observer & {
  /** After how many steps the last one was made; 0 where there is none. */ readonly saved: () => number;
} {
  const { settings } = run;
  let saved = start;
  // Whether all that lies beside the last checkpoint is of it. A run that was killed while it saved may lack that.
  let whole = start === 0;
  const save = async (done: number) => {
    if (done === saved && whole) return;
    await saveCheckpoint(folder, await checkpointOf(run, identity, done), settings);
    [saved, whole] = [done, false];
    if (run.training.files) {
      await useWeights(run.learner);
      for (const [name, bytes] of Object.entries(await run.training.files()))
        await writeFileAtomic(join(folder, name), bytes);
    }
    whole = true;
  };
  return {
    async step({ done, last, skipped }) {
      if (isDue(settings.checkpointEvery, done) && !skipped && !last) await tolerate(() => save(done));
    },
    keep: save,
    saved: () => saved,
  };
}
