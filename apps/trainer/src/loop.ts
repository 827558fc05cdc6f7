import { join } from 'node:path';
import { formatSeconds, Interrupted } from '@ddpm/app-common';
import { count, learningRate, train } from '@ddpm/train';
import type { Identity } from './checkpoint';
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
  const { settings, training, learner, examples, steps, stepsPerEpoch } = run;
  const metrics = await openMetrics(folder, start);
  const writer = openEvents(folder, start);
  const tolerate = tolerant(reporter);
  const saving = checkpoints(run, { folder, identity, start, tolerate });
  const config = { ...identity.settings, networks: identity.networks, meaning: training.meaning };
  const observers: readonly Observer[] = [
    validation(run, { folder, identity, metrics, reporter, tolerate }),
    evaluation(run, { reporter, tolerate }),
    metricsLines(metrics, { training, tolerate }),
    events(writer, { training, tolerate }),
    progress(reporter, { metrics, training }),
    skips(reporter, { folder, most: settings.maxSkipped, saved: saving.saved }),
    saving,
    previews(run, { folder, writer, reporter, tolerate }),
    report(metrics, { folder, config, every: settings.checkpointEvery, tolerate }),
  ];
  const keep = async (done: number, finished: boolean) => {
    for (const observer of observers) await observer.keep?.(done, finished);
  };

  const interruption = listenForInterrupts(reporter);
  let { seconds } = metrics.history;
  let errors: unknown[];
  reporter.start(steps, start);
  try {
    const { learningRate: base, warmup, decay, seed } = settings;
    let before = performance.now();
    for await (const taken of train({
      learner,
      examples,
      steps,
      start,
      rate: learningRate({ base, warmup, decay, steps }),
      seed,
    })) {
      const took = (performance.now() - before) / 1000;
      seconds += took;
      const done = taken.step + 1;
      const size = count(taken.inputs);
      const epoch = Math.floor(taken.step / stepsPerEpoch);
      const step: Step = {
        ...taken,
        done,
        last: done === steps,
        epoch,
        size,
        imagesPerSecond: size / took,
        seconds,
        measured: {},
      };
      for (const observer of observers) await observer.step?.(step);
      if (interruption.asked() && !step.last) {
        await keep(done, false);
        throw new Interrupted(`stopped after ${done} of ${steps} steps; go on with: ddpm-train --resume ${folder}`);
      }
      before = performance.now();
    }
    await keep(steps, true);
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
