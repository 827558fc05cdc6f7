// A process that answers one JSON line for each that it is sent.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts a command; resolves once it has said that it is ready, or to undefined if it ends instead. */
export async function start(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise((resolve) => child.once('error', () => resolve({ done: true })));
  const next = async () => {
    const { value, done } = await Promise.race([lines.next(), failed]);
    return done ? undefined : JSON.parse(value);
  };
  const ready = await next();
  if (!ready) return undefined;
  return {
    ready,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const answer = await next();
      if (!answer) throw new Error(`${command} ${args.join(' ')} ended while it answered ${JSON.stringify(request)}`);
      return answer;
    },
    stop: () => child.stdin.end(),
  };
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
