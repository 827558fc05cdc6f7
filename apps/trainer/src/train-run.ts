import { join } from 'node:path';
import { formatRate, formatSeconds, Interrupted } from '@ddpm/app-common';
import { createFolder, lockFolder, referenceIn, saveCheckpoint, writeFileAtomic } from '@ddpm/checkpoint';
import { batches } from '@ddpm/datasets';
import { learningRate, train } from '@ddpm/diffusion';
import { loadParameters } from '@ddpm/layers';
import { dryRun } from './dry-run';
import { recentLoss } from './history';
import { historySteps, openMetrics, quartileLosses } from './metrics';
import type { CommandOptions } from './options';
import { readInvocation } from './options';
import type { Run } from './prepare';
import { prepare, stepsOf } from './prepare';
import { writePreview } from './previews';
import { writeEvents, writeRecords } from './records';
import type { Reporter } from './reporter';
import { createReporter } from './reporter';
import { checkLength, findRun, rateJump } from './resume';
import { bestLoss, checkpointOf, restore, saveBest } from './state';
import { createEventWriter } from './tensorboard';
import { validationLoss } from './validation';

/** Does what the command line asks for. */
export async function execute(options: CommandOptions): Promise<void> {
  const found = options.resume === undefined ? undefined : await findRun(options.resume);
  const { settings, preset, dryRun: dry, output } = readInvocation(options, found?.checkpoint.settings);
  const reporter = createReporter(output);
  for (const line of found?.unusable ?? []) reporter.warn(line);
  const run = await prepare(preset, settings, reporter, found);
  const { steps } = run;
  const start = found?.checkpoint.step ?? 0;
  try {
    if (found) {
      checkLength(found, start, steps);
      // A run that was killed after its last checkpoint still owes its last samples and its report.
      if (start === steps && (await historySteps(found.folder)) === steps)
        return reporter.say(`Nothing is left to do: ${found.folder} has been trained for all of its ${steps} steps`);
      await restore(run, found.checkpoint, found.path);
      const jump = rateJump(settings, { start, before: stepsOf(found.checkpoint.settings, run.batchesPerEpoch), after: steps });
      if (jump !== undefined) reporter.warn(jump);
    }
    if (dry) return await dryRun(run, reporter, start);

    const folder =
      found?.folder ?? (await createFolder(settings.out === undefined ? { prefix: join('runs', preset) } : { path: settings.out }));
    const release = await lockFolder(folder);
    try {
      reporter.say(found ? `Going on with ${folder} after ${start} steps` : `Run folder: ${folder}`);
      const model = { ...run.model, network: referenceIn(folder, run.model.network, found?.checkpoint.model.network) };
      // Where the run lies is not part of what it is.
      const { out: _, ...config } = { preset, ...settings, model };
      await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
      await trainInto(folder, { ...run, model }, start, reporter);
    } finally {
      await release();
    }
  } finally {
    run.engine.dispose();
  }
}

async function trainInto(folder: string, run: Run, start: number, reporter: Reporter): Promise<void> {
  const { settings, dataset, schedule, engine, steps, batchSize, batchesPerEpoch } = run;
  const metrics = await openMetrics(folder, start);
  const events = createEventWriter(join(folder, 'tensorboard'), { step: start });
  const tolerate = tolerant(reporter);
  const preview = async (step: number) => {
    sampleWithAverage(run);
    const { path, image, png } = await writePreview(folder, step, { ...run, seed: settings.seed });
    events.image('samples', step, { ...image, png });
    reporter.say(`Samples after ${step} steps: ${path}`);
  };
  const { history } = metrics;
  const record = async () => {
    await writeRecords(folder, history, { ...settings, model: run.model });
    await metrics.save();
  };
  const interruption = listenForInterrupts(reporter);
  let [saved, skipped] = [start, 0];
  let { seconds } = history;
  // Where the metrics were lost, the file itself still tells.
  let best = history.best?.loss ?? (await bestLoss(folder));
  let before = performance.now();

  reporter.start(steps, start);
  try {
    const trained = train({
      engine,
      batches: ({ epoch, start: from }) =>
        batches(dataset, { batchSize, seed: settings.seed, epoch, start: from, flip: settings.flip ? 0.5 : 0 }),
      batchesPerEpoch,
      timesteps: schedule.timesteps,
      steps,
      start,
      learningRate: learningRate({ base: settings.learningRate, warmup: settings.warmup, decay: settings.decay, steps }),
      seed: settings.seed,
    });
    for await (const { step, epoch, loss, gradNorm, size, learningRate: rate, losses, t, skipped: wasSkipped } of trained) {
      const took = (performance.now() - before) / 1000;
      seconds += took;
      const done = step + 1;
      const due = (every: number) => every > 0 && done % every === 0;

      let validated: number | undefined;
      if (run.validation && (due(settings.validateEvery ?? batchesPerEpoch) || done === steps)) {
        sampleWithAverage(run);
        validated = await validationLoss(run.validation, { ...run, loss: settings.loss });
        if (validated < best) {
          best = validated;
          await tolerate(() => saveBest(folder, run, done, best));
        }
      }
      const imagesPerSecond = size / took;
      const quartiles = losses ? quartileLosses(losses, t, schedule.timesteps) : [];
      const line = {
        ...{ step, epoch, loss, gradNorm, imagesPerSecond, seconds, learningRate: rate, quartiles },
        ...(validated !== undefined && { validationLoss: validated }),
        ...(wasSkipped && { skipped: true as const }),
      };
      await tolerate(() => metrics.add(line));
      await tolerate(() => writeEvents(events, line));
      reporter.step(line, `loss ${recentLoss(history).toFixed(4)}  ${formatRate(imagesPerSecond)} images/s`);
      if (validated !== undefined)
        reporter.say(`Validation loss after ${done} steps: ${validated.toFixed(4)}${validated === best ? ' (best so far)' : ''}`);

      skipped = wasSkipped ? skipped + 1 : 0;
      if (wasSkipped) reporter.warn(`step ${step} was skipped: its loss is ${loss}, its gradient's norm ${gradNorm}`);
      if (skipped >= settings.maxSkipped) {
        const left =
          saved > 0 ? `the last good checkpoint is after ${saved} steps in ${folder}` : `there is no checkpoint in ${folder} yet`;
        throw new Error(`stopped at step ${step}: ${skipped} steps in a row had no finite loss and gradient; ${left}`);
      }
      if (due(settings.checkpointEvery) && skipped === 0 && done < steps) {
        if (await tolerate(async () => saveCheckpoint(folder, await checkpointOf(run, done), settings))) saved = done;
        await tolerate(record);
      }
      if (due(settings.sampleEvery ?? batchesPerEpoch) && done < steps) {
        await tolerate(() => preview(done));
      }
      if (interruption.asked && done < steps) {
        await saveCheckpoint(folder, await checkpointOf(run, done), settings);
        await tolerate(record);
        throw new Interrupted(`stopped after ${done} of ${steps} steps; go on with: ddpm-train --resume ${folder}`);
      }
      before = performance.now();
    }
    if (start < steps) await saveCheckpoint(folder, await checkpointOf(run, steps), settings);
    if ((settings.sampleEvery ?? batchesPerEpoch) > 0) await preview(steps);
    await record();
  } finally {
    interruption.stop();
    reporter.stop();
    events.close();
    await metrics.close();
  }
  reporter.say(`Trained ${steps} steps in ${formatSeconds(seconds)}, loss ${recentLoss(history).toFixed(4)}`);
  reporter.say(`Loss curve: ${join(folder, 'loss.png')}`);
  reporter.say(`Report: ${join(folder, 'report.html')}`);
  reporter.say(`Checkpoint: ${join(folder, 'checkpoint.safetensors')}`);
}

/** Gives the network the weights to sample with. The engine has its own, and gives them to the network at every step. */
function sampleWithAverage({ network, engine, parameters }: Run): void {
  loadParameters(network, new Map([...engine.averaged()].map(([name, data]) => [name, { shape: parameters.get(name)!.shape, data }])));
}

/** Runs what a run can do without: a failure, such as a full disk, is said once, and training goes on. */
function tolerant(reporter: Reporter) {
  const said = new Set<string>();
  return async (work: () => unknown): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      const { message } = error as Error;
      const kind = message.replace(/\d+/g, '');
      if (!said.has(kind)) reporter.warn(`${message}; training goes on`);
      said.add(kind);
      return false;
    }
  };
}

/** The first Ctrl-C asks for a stop after the step, the second stops at once. */
function listenForInterrupts(reporter: Reporter) {
  const state = { asked: false, stop };
  const onSignal = () => {
    if (state.asked) process.exit(130);
    state.asked = true;
    reporter.say('Stopping after this step; press Ctrl-C again to stop at once.');
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  function stop() {
    for (const signal of signals) process.off(signal, onSignal);
  }
  return state;
}
