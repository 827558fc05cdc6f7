import { stopOf } from '@ddpm/app-common';
import type { Tolerate } from './observers/observer';
import type { Reporter } from './reporter';

/** Runs what a run can do without: a failure, such as a full disk, is said once, and training goes on. */
export function tolerant(reporter: Reporter): Tolerate {
  const said = new Set<string>();
  return async (work) => {
    try {
      await work();
      return true;
    } catch (error) {
      if (stopOf(error)) throw error;
      const { message } = error as Error;
      const kind = message.replace(/\d+/g, '');
      if (!said.has(kind)) reporter.warn(`${message}; training goes on`);
      said.add(kind);
      return false;
    }
  };
}
