#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { sampleCommand, settingsFrom } from './options';
import { run } from './run';

const command = sampleCommand();
command.action(async (path: string, options: Readonly<Record<string, unknown>>) => run(path, settingsFrom(options)));
await runMain(command);
