import { join } from 'node:path';
import { isFirst } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import { createFolder, lockFolder, referenceIn, writeFileAtomic } from '@ddpm/checkpoint';
import { restore } from './checkpoint';
import { dryRun } from './dry-run';
import { findSource, referenceFrom } from './from';
import { trainAlong, trainInto } from './loop';
import { historySteps } from './metrics';
import type { CommandOptions } from './options';
import { readInvocation, sourceOf } from './options';
import { prepare, stepsOf } from './prepare';
import { createReporter } from './reporter';
import { checkLength, findRun, rateJump } from './resume';
import { findPage, viewRun } from './view';

/** Does what the command line asks for. */
export async function execute(options: CommandOptions): Promise<void> {
  const page = options.view ? findPage() : undefined;
  const found = options.resume === undefined ? undefined : await findRun(options.resume);
  const asked = sourceOf(options);
  const source = typeof asked === 'string' ? await findSource(asked) : undefined;
  const {
    settings,
    preset,
    dryRun: dry,
    output,
  } = readInvocation(options, found?.checkpoint.settings, source?.checkpoint.settings);
  const reporter = createReporter(isFirst ? output : 'lines');
  for (const line of (found ?? source)?.unusable ?? []) reporter.warn(line);
  const run = await prepare(settings, reporter, { resumed: found, source });
  const { steps } = run;
  const start = found?.checkpoint.step ?? 0;
  try {
    if (found) {
      checkLength(found, start, steps);
      // A run that was killed after its last checkpoint still owes its last samples and its report.
      if (start === steps && (await historySteps(found.folder)) === steps)
        return reporter.say(`Nothing is left to do: ${found.folder} has been trained for all of its ${steps} steps`);
      await restore(run, found);
      const jump = rateJump(settings, {
        start,
        before: stepsOf(found.checkpoint.settings, run.stepsPerEpoch),
        after: steps,
      });
      if (jump !== undefined) reporter.warn(jump);
    }
    if (dry) return await dryRun(run, reporter, start);
    if (!isFirst) return await trainAlong(run, start, reporter);

    const folder =
      found?.folder ??
      (await createFolder(settings.out === undefined ? { prefix: join('runs', preset) } : { path: settings.out }));
    const release = await lockFolder(folder);
    const view = page === undefined ? undefined : await viewRun(folder, { page, steps });
    try {
      reporter.say(found ? `Going on with ${folder} after ${start} steps` : `Run folder: ${folder}`);
      if (view) reporter.say(`View: ${view.url}`);
      const networks = Object.fromEntries(
        Object.entries(run.training.networks).map(([part, network]) => [
          part,
          referenceIn(folder, network, source ? referenceFrom(source, part, folder) : found?.checkpoint.networks[part]),
        ]),
      );
      const { out: _, ...given } = run.settings;
      const identity = { networks, settings: { preset, ...given } as JsonObject };
      const config = { ...identity.settings, networks, meaning: run.training.meaning };
      await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
      await trainInto(folder, run, start, identity, reporter);
    } finally {
      await view?.close();
      await release();
    }
  } finally {
    await run.dispose();
  }
}
