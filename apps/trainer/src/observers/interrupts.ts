import type { Reporter } from '../reporter';

/** Listens for Ctrl-C: the first asks for a stop after the step, the second stops at once. */
export function listenForInterrupts(reporter: Reporter): { asked(): boolean; close(): void } {
  let asked = false;
  const onSignal = () => {
    if (asked) process.exit(130);
    asked = true;
    reporter.say('Stopping after this step; press Ctrl-C again to stop at once.');
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    asked: () => asked,
    close() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
