#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { run } from './run';
import { settingsFrom, trainCommand } from './options';

const command = trainCommand();
command.action(async (options: Readonly<Record<string, unknown>>) => run(settingsFrom(options), String(options.preset)));
await runMain(command);
