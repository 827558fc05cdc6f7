#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { evaluateCommand, settingsFrom } from './options';
import { run } from './run';

const command = evaluateCommand();
command.action(async (paths: string[], options: Readonly<Record<string, unknown>>) =>
  run(paths, settingsFrom(options)),
);
await runMain(command);
