// node scripts/fuzz.mjs [--runs N] [--seed S] [reader…]: gives every reader of files from others N damaged files
// (100,000 by default), each made from the seed and its number alone. Each must give a result or one clear line within
// the time, and the process must stay small.
// Needs the packages built. What fails is saved, and ends the run of its reader.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readers } from './fuzz/readers.mjs';

/** An input that takes longer is a failure. */
const MAX_MS = 10_000;
/** So is a process that grows by more, not counting the 16 kB that Node 20 keeps of every zlib stream that fails. */
const MAX_GROWTH_MB = 1024;
const NODE_KEEPS_MB = 0.02;
const MAX_MESSAGE = 1000;
/** Kinds of failure after which a reader's run ends. */
const MAX_FAILURES = 10;
/** Messages of an engine about a mistake in the code, rather than in the file. */
const INTERNAL =
  /Cannot (read|set|convert|destructure)|is not (a function|iterable|defined|a constructor)|of undefined|undefined is|Maximum call stack|Invalid (array|typed array|string|code point|count|offset)|[Aa]llocation|out of (memory|bounds|range)|outside the bounds|\[object/;

const { values, positionals } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    worker: { type: 'string' },
  },
  allowPositionals: true,
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
const names = positionals.length > 0 ? positionals : Object.keys(readers);
const wrong = names.filter((name) => !Object.hasOwn(readers, name));
if (wrong.length > 0 || !(runs > 0) || !Number.isSafeInteger(seed)) {
  console.error(`fuzz: [--runs N] [--seed S] [${Object.keys(readers).join(' | ')}]…`);
  process.exit(2);
}

if (values.worker) await work(names[0], values.worker);
else {
  const results = [];
  for (const name of names) results.push([name, await supervise(name)]);
  console.table(Object.fromEntries(results.map(([name, { row }]) => [name, row])));
  for (const [name, { failures }] of results) for (const failure of failures) console.log(`${name}: ${failure}`);
  process.exitCode = results.some(([, { failures }]) => failures.length > 0) ? 1 : 0;
}

/** Runs a reader in a process of its own, and ends it when one input takes too long. */
async function supervise(name) {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-fuzz-'));
  const number = join(folder, 'number');
  writeFileSync(number, '');
  const flags = [fileURLToPath(import.meta.url), '--runs', runs, '--seed', seed, '--worker', number, name];
  const child = spawn(process.execPath, flags.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  let [output, last, since, slow] = ['', '', performance.now(), false];
  child.stdout.on('data', (data) => (output += data));
  const timer = setInterval(() => {
    const current = readFileSync(number, 'latin1');
    if (current !== last || current === '') [last, since] = [current, performance.now()];
    else if (performance.now() - since > MAX_MS) slow = child.kill('SIGKILL');
  }, 500);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const at = Number(readFileSync(number, 'latin1'));
  rmSync(folder, { recursive: true });
  if (code === 0 && output) return JSON.parse(output);
  const failure = slow ? `input ${at} takes more than ${MAX_MS} ms` : `input ${at} ended the process`;
  return { row: { inputs: at }, failures: [`${failure}: ${await save(name, at)}`] };
}

async function work(name, numberPath) {
  const { make, open, fits } = readers[name];
  const read = await open();
  const { Random } = await import('../packages/random/dist/index.js');
  const row = { inputs: 0, accepted: 0, refused: 0, 'slowest ms': 0, 'peak RSS MB': 0 };
  const number = openSync(numberPath, 'w');
  const peak = () => process.resourceUsage().maxRSS / 1024;
  const before = peak();
  /** By kind, what is wrong with the first of it. */
  const failures = new Map();
  const fail = async (i, problem) => {
    const kind = problem.replace(/\/\S+|"(?:[^"\\]|\\.)*"|\d+/g, '').slice(0, 100);
    if (!failures.has(kind)) failures.set(kind, `input ${i} ${problem}: ${await save(name, i)}`);
  };
  let i = 0;
  for (; i < runs && failures.size < MAX_FAILURES; i++) {
    writeSync(number, String(i).padStart(12), 0);
    const bytes = await make(new Random([seed, i]));
    const start = performance.now();
    let problem;
    try {
      const result = await read(bytes);
      row.accepted++;
      if (!fits(result)) problem = 'gives a result that does not fit together';
    } catch (error) {
      row.refused++;
      problem = problemOf(error);
    }
    row['slowest ms'] = Math.max(row['slowest ms'], Math.round(performance.now() - start));
    if (problem) await fail(i, problem);
    if (peak() - before > MAX_GROWTH_MB + i * NODE_KEEPS_MB)
      await fail(i, `lets the process grow by more than ${MAX_GROWTH_MB} MB`);
  }
  closeSync(number);
  Object.assign(row, { inputs: i, 'peak RSS MB': Math.round(peak()) });
  process.stdout.write(JSON.stringify({ row, failures: [...failures.values()] }));
}

/** The fault of an error, if it is not one clear line. */
function problemOf(error) {
  if (!(error instanceof Error)) return `throws ${typeof error}`;
  const { message } = error;
  if (message.length > MAX_MESSAGE) return `has a message of ${message.length} characters: ${message.slice(0, 200)}`;
  if (/[\n\r]/.test(message)) return `has more than a line: ${JSON.stringify(message)}`;
  if (message.trim() === '') return 'has no message';
  if (INTERNAL.test(message)) return `says what only we understand: ${message}`;
}

async function save(name, i) {
  const { Random } = await import('../packages/random/dist/index.js');
  const path = join(tmpdir(), `ddpm-fuzz-${name}-${seed}-${i}`);
  writeFileSync(path, await readers[name].make(new Random([seed, i])));
  return path;
}
