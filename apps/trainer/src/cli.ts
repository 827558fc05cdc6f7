#!/usr/bin/env node
import { runMain } from '@ddpm/app-common';
import { trainCommand } from './options';
import { execute } from './execute';

const command = trainCommand();
command.action(execute);
await runMain(command);
