import type { WriteStream } from 'node:tty';
import { bottomLine } from './bottom-line';

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
/** Time between two drawings of the bar, in milliseconds. */
const REDRAW = 100;
/** Columns of the bar itself, where there is room. */
const BAR = 24;

/**
 * @param total how much there is to do; left out where nobody knows
 * @param done how much was done before it began
 * @param stderr what else may write to the same terminal
 */
export function createProgress({
  label,
  total = Infinity,
  done = 0,
  stream = process.stdout,
  stderr = process.stderr,
}: {
  label: string;
  total?: number;
  done?: number;
  stream?: WriteStream;
  stderr?: WriteStream;
}): Progress {
  const start = performance.now();
  const timeLeft = (now: number) =>
    now > done ? formatSeconds(((performance.now() - start) / 1000 / (now - done)) * (total - now)) : '?';
  const words = (now: number, note = '') =>
    total === Infinity
      ? [now, note].filter(Boolean).join('  ')
      : [`${now}/${total}`, note, now < total && `${timeLeft(now)} left`].filter(Boolean).join('  ');

  if (!stream.isTTY) {
    let next = start;
    return {
      update(now, note) {
        if (performance.now() < next && now < total) return;
        next = performance.now() + INTERVAL;
        stream.write(`${label} ${words(now, note)}\n`);
      },
      log: (line) => void stream.write(`${line}\n`),
      stop: () => undefined,
    };
  }

  let state: [now: number, note?: string] = [done];
  const barOf = (columns: number) => {
    const after = words(...state);
    const size = Math.min(BAR, columns - `${label}  ${after}`.length);
    if (size <= 0 || total === Infinity) return `${label} ${after}`;
    const full = Math.round(size * Math.min(1, state[0] / total));
    return `${label} ${'█'.repeat(full)}${'░'.repeat(size - full)} ${after}`;
  };
  const line = bottomLine(barOf, stream, [stderr]);
  let next = start + REDRAW;
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    next = performance.now() + REDRAW;
    line.draw();
  };
  return {
    update(...args) {
      state = args;
      const wait = next - performance.now();
      if (wait <= 0) draw();
      else timer ??= setTimeout(draw, wait).unref();
    },
    log: (text) => line.log(text),
    stop() {
      clearTimeout(timer);
      line.stop();
    },
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
