import { SingleBar } from 'cli-progress';

/** Shows how far a long piece of work is: a bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  /** @param done how much is done; @param note what else to say, such as the loss */
  update(done: number, note?: string): void;
  /** Prints a line without disturbing the bar. */
  log(line: string): void;
  stop(): void;
}

/** Time between two lines where there is no terminal, in milliseconds. */
const INTERVAL = 10_000;

/** @param done how much was done before it began */
export function createProgress({
  label,
  total,
  done = 0,
  stream = process.stdout,
}: {
  label: string;
  total: number;
  done?: number;
  stream?: NodeJS.WriteStream;
}): Progress {
  const start = performance.now();
  const timeLeft = (now: number) => (now > done ? formatSeconds(((performance.now() - start) / 1000 / (now - done)) * (total - now)) : '?');

  if (!stream.isTTY) {
    let next = start;
    return {
      update(now, note) {
        if (performance.now() < next && now < total) return;
        next = performance.now() + INTERVAL;
        stream.write(`${[`${label} ${now}/${total}`, note, now < total && `${timeLeft(now)} left`].filter(Boolean).join('  ')}\n`);
      },
      log: (line) => void stream.write(`${line}\n`),
      stop: () => undefined,
    };
  }

  const bar = new SingleBar({
    stream,
    format: `${label} {bar} {value}/{total}  {note}  {left} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    gracefulExit: false,
  });
  bar.start(total, done, { note: '', left: '?' });
  return {
    update: (now, note = '') => bar.update(now, { note, left: timeLeft(now) }),
    log(line) {
      // The line takes the bar's place, and the bar goes on below it.
      stream.write(`\r\x1b[K${line}\n`);
      bar.render();
    },
    stop: () => bar.stop(),
  };
}

/** 75 → '1m 15s'. */
export function formatSeconds(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
}

/** 83.2 → '83', 0.0331 → '0.033'. */
export function formatRate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toPrecision(2) : perSecond.toFixed(0);
}
