import type { Progress } from '@ddpm/app-common';
import { createProgress } from '@ddpm/app-common';
import type { Metrics } from './metrics-of';

/** Where everything that the trainer has to say goes. */
export interface Reporter {
  say(line: string): void;
  /** Something that went wrong without ending the run. */
  warn(line: string): void;
  /** How far a long piece of work before the steps is. */
  progress(label: string, total: number): Pick<Progress, 'update' | 'stop'>;
  start(total: number, done: number): void;
  step(metrics: Metrics, note: string): void;
  stop(): void;
}

const write = (line: string) => void process.stdout.write(`${line}\n`);
const warn = (line: string) => void process.stderr.write(`ddpm-train: ${line}\n`);

/** A progress bar or lines for people, JSON lines for machines, or nothing but warnings. */
export function createReporter(output: 'lines' | 'quiet' | 'json'): Reporter {
  if (output !== 'lines') {
    const event = (value: object) => (output === 'json' ? write(JSON.stringify(value)) : undefined);
    return {
      say: (message) => event({ event: 'message', message }),
      warn,
      progress: () => ({ update: () => undefined, stop: () => undefined }),
      start: (total, done) => event({ event: 'start', total, done }),
      step: (metrics) => event({ event: 'step', ...metrics }),
      stop: () => undefined,
    };
  }
  let progress: Progress | undefined;
  const line = (text: string) => (progress ? progress.log(text) : write(text));
  return {
    say: line,
    warn: (text) => line(`Warning: ${text}`),
    progress: (label, total) => createProgress({ label, total }),
    start: (total, done) => void (progress = createProgress({ label: 'Training', total, done })),
    step: ({ step }, note) => progress?.update(step + 1, note),
    stop() {
      progress?.stop();
      progress = undefined;
    },
  };
}
