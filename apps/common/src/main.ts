import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { Interrupted, UsageError } from './errors';
import { isFirst, leave, processes, rank } from './together';

/** Milliseconds in which a first process that fails alike ends all the others. */
const SAME_FAILURE = 5000;

/** Runs a command; an error becomes one line and the exit code. */
export async function runMain(command: Command): Promise<void> {
  // Whoever read the output may stop reading it; the work goes on.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  if (!isFirst) process.stdout.write = () => true;
  try {
    await command
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
      .parseAsync();
    await leave();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help and --version
    if (!isFirst) await setTimeout(SAME_FAILURE);
    const usage = error instanceof CommanderError || error instanceof UsageError;
    const message = (error instanceof Error ? error.message : String(error))
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ');
    const who = isFirst ? command.name() : `${command.name()}, process ${rank} on ${hostname()}`;
    process.stderr.write(`${who}: ${message}\n`);
    process.exitCode = error instanceof Interrupted ? error.exitCode : usage ? 2 : 1;
    // The launcher then ends the others, which may be waiting for this one.
    if (processes > 1) process.exit();
  }
}
