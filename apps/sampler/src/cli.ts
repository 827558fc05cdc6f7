#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { sampleCommand, settingsFrom } from './options';
import { run } from './run';

const command = sampleCommand();
command.action(async (model: string, captions: string[], options: Readonly<Record<string, unknown>>) =>
  run(model, settingsFrom(options), captions),
);
await runMain(command);
