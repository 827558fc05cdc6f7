/** A mistake in how a command was called: exit code 2, where other errors are 1. */
export class UsageError extends Error {}

/** Work that was stopped from outside, with what was done kept: on request, exit code 130. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 130) {
    super(message);
    this.exitCode = exitCode;
  }
}
