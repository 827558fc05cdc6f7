import type { Command } from 'commander';
import { CommanderError } from 'commander';

/** A mistake in how a command was called: exit code 2, where other errors are 1. */
export class UsageError extends Error {}

/** Work that was stopped on request, with what was done kept: exit code 130. */
export class Interrupted extends Error {}

/** Runs a command; an error becomes one line and the exit code. */
export async function runMain(command: Command): Promise<void> {
  // Whoever read the output may stop reading it; the work goes on.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  try {
    await command
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
      .parseAsync();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help and --version
    const usage = error instanceof CommanderError || error instanceof UsageError;
    const message = (error instanceof Error ? error.message : String(error))
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ');
    process.stderr.write(`${command.name()}: ${message}\n`);
    process.exitCode = error instanceof Interrupted ? 130 : usage ? 2 : 1;
  }
}
