import { join } from 'node:path';
import type { EventWriter } from '@ddpm/app-common';
import { formatSeconds, Interrupted, stopOf } from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { ByteImage } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';
import { count, learningRate, train } from '@ddpm/train';
import type { Identity } from './checkpoint';
import { bestLoss, checkpointOf, saveBest } from './checkpoint';
import { recentLoss } from './history';
import { openMetrics } from './metrics';
import { checkpoints } from './observers/checkpoints';
import { evaluation } from './observers/evaluation';
import { events, openEvents } from './observers/events';
import { listenForInterrupts } from './observers/interrupts';
import type { Observer, Step } from './observers/observer';
import { closeAll } from './observers/observer';
import { metricsLines } from './observers/metrics';
import { previews } from './observers/previews';
import { progress } from './observers/progress';
import { report } from './observers/report';
import { skips } from './observers/skips';
import { validation } from './observers/validation';
import { outlook } from './outlook';
import type { Run } from './prepare';
import type { Reporter } from './reporter';
import { tolerant } from './tolerate';

/** The steps of a run from one on, as they are taken, and how they look to observers. */
async function* stepsOf(
  { settings, learner, examples, steps, stepsPerEpoch }: Run,
  start: number,
  secondsBefore: number,
): AsyncGenerator<Step, void, undefined> {
  const { learningRate: base, warmup, decay, seed } = settings;
  const rate = learningRate({ base, warmup, decay, steps });
  let seconds = secondsBefore;
  let before = performance.now();
  for await (const taken of train({ learner, examples, steps, start, rate, seed })) {
    const took = (performance.now() - before) / 1000;
    seconds += took;
    const done = taken.step + 1;
    const size = count(taken.inputs);
    yield {
      ...taken,
      done,
      last: done === steps,
      epoch: Math.floor(taken.step / stepsPerEpoch),
      size,
      imagesPerSecond: size / took,
      seconds,
      measured: {},
    };
    before = performance.now();
  }
}

/**
 * Trains a run from a step to its end, into its folder. Each concern is an observer; they are told of a step in the
 * order that stands here.
 */
export async function trainInto(
  folder: string,
  run: Run,
  start: number,
  identity: Identity,
  reporter: Reporter,
): Promise<void> {
  const { settings, training, steps } = run;
  const metrics = await openMetrics(folder, start);
  const writer = openEvents(folder, start);
  const tolerate = tolerant(reporter);
  const saving = checkpoints(run, { folder, identity, start, tolerate });
  const config = { ...identity.settings, networks: identity.networks, meaning: training.meaning };
  const observers: readonly Observer[] = [
    validation(run, {
      // Where the metrics were lost, the file itself still tells.
      least: () => metrics.history.best?.loss ?? bestLoss(folder),
      keep: async (done, loss) => saveBest(folder, await checkpointOf(run, identity, done), loss),
      reporter,
      tolerate,
    }),
    evaluation(run, { reporter, tolerate }),
    metricsLines(metrics, { training, tolerate }),
    events(writer, { training, tolerate }),
    progress(reporter, { metrics, training }),
    skips(reporter, { folder, most: settings.maxSkipped, saved: saving.saved }),
    saving,
    previews(run, { show: showIn(folder, writer, reporter), tolerate }),
    report(metrics, { folder, config, every: settings.checkpointEvery, tolerate }),
  ];
  const keep = async (done: number, finished: boolean) => {
    for (const observer of observers) await observer.keep?.(done, finished);
  };

  const interruption = listenForInterrupts(reporter);
  let done = start;
  let { seconds } = metrics.history;
  let errors: unknown[];
  reporter.start(steps, start);
  try {
    for await (const step of stepsOf(run, start, seconds)) {
      ({ done, seconds } = step);
      for (const observer of observers) await observer.step?.(step);
      if (interruption.asked() && !step.last) throw new Interrupted('stopped');
    }
    await keep(steps, true);
  } catch (error) {
    const stop = stopOf(error);
    if (!stop) throw error;
    // What was stopped within a step has changed nothing yet.
    await keep(done, false);
    const way = done > 0 ? `go on with: ddpm-train --resume ${folder}` : 'there is nothing to go on with yet';
    throw new Interrupted(`${stop.message} after ${done} of ${steps} steps; ${way}`, stop.exitCode);
  } finally {
    interruption.close();
    errors = await closeAll(observers);
  }
  // An error of the training itself has been thrown by now.
  if (errors.length > 0) throw errors[0];
  reporter.say(`Trained ${steps} steps in ${formatSeconds(seconds)}, loss ${recentLoss(metrics.history).toFixed(4)}`);
  const longer = outlook(metrics.history);
  if (longer !== undefined) reporter.say(longer);
  reporter.say(`Loss curve: ${join(folder, 'loss.png')}`);
  reporter.say(`Report: ${join(folder, 'report.html')}`);
  reporter.say(`Checkpoint: ${join(folder, 'checkpoint.safetensors')}`);
}

/** Writes previews as `previews/step-<step>.png`. */
const showIn =
  (folder: string, writer: EventWriter, reporter: Reporter) =>
  async (done: number, image: ByteImage): Promise<void> => {
    const png = encodePng(image);
    const path = join(folder, 'previews', `step-${String(done).padStart(6, '0')}.png`);
    await makeFolder(join(folder, 'previews'));
    await writeFileAtomic(path, png);
    writer.image('samples', done, { ...image, png });
    reporter.say(`Samples after ${done} steps: ${path}`);
  };

/**
 * Trains along with the process that writes: takes part in all that several processes compute together, and keeps
 * nothing.
 */
export async function trainAlong(run: Run, start: number, reporter: Reporter): Promise<void> {
  const tolerate = tolerant(reporter);
  const nothing = () => Promise.resolve();
  const observers: readonly Observer[] = [
    validation(run, { least: () => -Infinity, keep: nothing, reporter, tolerate }),
    evaluation(run, { reporter, tolerate }),
    previews(run, { show: nothing, tolerate }),
  ];
  try {
    for await (const step of stepsOf(run, start, 0)) for (const observer of observers) await observer.step?.(step);
    for (const observer of observers) await observer.keep?.(run.steps, true);
  } finally {
    await closeAll(observers);
  }
}
