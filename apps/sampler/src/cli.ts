#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { runMain, UsageError } from '@ddpm/app-common';
import { pretrainedCheckpoint } from '@ddpm/checkpoint';
import { sampleCommand, settingsFrom } from './options';
import { run } from './run';

const command = sampleCommand();
command.action(async (first: string | undefined, others: string[], options: Readonly<Record<string, unknown>>) => {
  const settings = settingsFrom(options);
  const words = first === undefined ? [] : [first, ...others];
  if (settings.pretrained !== undefined) {
    const bases = [fileURLToPath(import.meta.url)];
    return run(await pretrainedCheckpoint(settings.pretrained, { bases }), settings, words);
  }
  if (first === undefined) throw new UsageError('name a model: a run folder, a file, or --pretrained <name>');
  return run(first, settings, others);
});
await runMain(command);
