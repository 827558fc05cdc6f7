#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { readInvocation, trainCommand } from './options';
import { execute } from './train-run';

const command = trainCommand();
command.action(async (options: Readonly<Record<string, unknown>>) => execute(readInvocation(options)));
await runMain(command);
