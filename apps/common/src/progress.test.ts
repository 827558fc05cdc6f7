import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { expect, test } from '@jest/globals';
import xterm from '@xterm/headless';
import { createProgress } from './progress';

/** A terminal as people have it: a screen, standard output and standard error on it, and a size that changes. */
function openTerminal(columns = 80, rows = 24) {
  // As a terminal's driver does, the screen begins a new line at the left.
  const screen = new xterm.Terminal({
    cols: columns,
    rows,
    scrollback: 1000,
    allowProposedApi: true,
    convertEol: true,
  });
  const open = () => {
    const stream = new Writable({
      decodeStrings: false,
      write(chunk: string | Uint8Array, _, done) {
        screen.write(chunk);
        done();
      },
    });
    return Object.assign(stream, { isTTY: true, columns, rows }) as unknown as WriteStream;
  };
  const [stdout, stderr] = [open(), open()];
  /** Whether a row goes on with what stands in the one above. */
  const continues = (y: number) => y < screen.buffer.active.length && screen.buffer.active.getLine(y)!.isWrapped;
  const drawn = () => new Promise<void>((resolve) => screen.write('', resolve));
  return {
    stdout,
    stderr,
    async resize(columns: number, rows: number) {
      await drawn();
      screen.resize(columns, rows);
      for (const stream of [stdout, stderr]) Object.assign(stream, { columns, rows }).emit('resize');
    },
    /** All that was written, scrolled away or not; a line that the terminal wrapped is one. */
    async lines() {
      await drawn();
      const { active } = screen.buffer;
      const lines: string[] = [];
      for (let y = 0; y < active.length; y++) {
        const row = active.getLine(y)!;
        const text = row.translateToString(!continues(y + 1));
        if (continues(y)) lines[lines.length - 1] += text;
        else lines.push(text);
      }
      while (lines.at(-1) === '') lines.pop();
      return lines;
    },
    /** The screen's row that the cursor is in, whether it is at its beginning, and whether the row wraps. */
    async cursor() {
      await drawn();
      const { active } = screen.buffer;
      const y = active.baseY + active.cursorY;
      return {
        x: active.cursorX,
        row: active.getLine(y)!.translateToString(true),
        wraps: continues(y) || continues(y + 1),
      };
    },
  };
}

const barOn = ({ stdout, stderr }: ReturnType<typeof openTerminal>, total?: number) =>
  createProgress({ label: 'Training', total, stream: stdout, stderr });

test('on a terminal every line of a log stands once and whole, and the bar below it, whatever its size becomes', async () => {
  const terminal = openTerminal();
  const { stdout, stderr } = terminal;
  const expected: string[] = [];
  const say = (write: (line: string) => unknown, ...lines: string[]) => {
    expected.push(...lines);
    write(lines.join('\n'));
  };
  say((line) => stdout.write(`${line}\n`), 'Dataset: folder');
  const progress = barOn(terminal, 60);
  const log = (line: string) => progress.log(line);
  for (let step = 0; step < 60; step++) {
    progress.update(step + 1, 'loss 0.3479  12 images/s');
    if (step % 2 === 0)
      say(log, `Samples after ${step} steps: runs/previews/step-${String(step).padStart(6, '0')}.png`);
    if (step % 5 === 0) say(log, `Warning: ${'very '.repeat(step)}long`);
    if (step % 7 === 0) say((line) => stderr.write(`${line}\n`), `(node:1) Warning: ${step}`);
    if (step % 11 === 0)
      say((lines) => stdout.write(`${lines}\n`), `a network's own console.log, ${step}`, 'of two lines');
    if (step % 13 === 0) say((line) => stderr.write(new TextEncoder().encode(`${line}\n`)), `bytes ${step}`);
    if (step === 20) await terminal.resize(45, 24);
    if (step === 30) await terminal.resize(150, 12);
    if (step === 40) await terminal.resize(20, 50);
    if (step === 50) await terminal.resize(80, 24);
    // At the bar's beginning, the cursor is in the same place in terminals that wrap it anew and in such that cut it.
    expect(await terminal.cursor()).toEqual({ x: 0, row: expect.stringMatching(/^Training [█░\d]/), wraps: false });
  }
  progress.stop();
  say((line) => stdout.write(`${line}\n`), 'Trained 60 steps in 1s, loss 0.3479');
  expected.splice(-1, 0, `Training ${'█'.repeat(24)} 60/60  loss 0.3479  12 images/s`);
  expect(await terminal.lines()).toEqual(expected);
});

test('the bar takes the room that the words leave', async () => {
  const terminal = openTerminal(50);
  const progress = barOn(terminal, 100);
  progress.update(50, 'loss 0.3479');
  // Drawn anew with what was said last.
  progress.log('a line');
  expect((await terminal.cursor()).row).toMatch(/^Training █{5,6}░{5,6} 50\/100 {2}loss 0\.3479 {2}\ds left$/);
  await terminal.resize(20, 24);
  expect((await terminal.cursor()).row).toBe('Training 50/100  lo');
  progress.stop();
});

test('the last of many updates is drawn without another', async () => {
  const terminal = openTerminal();
  const progress = barOn(terminal, 100);
  for (let done = 1; done <= 99; done++) progress.update(done);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await terminal.cursor()).row).toContain(' 99/100 ');
  progress.stop();
});

test('a line that others write in pieces stays whole', async () => {
  const terminal = openTerminal();
  const progress = barOn(terminal, 2);
  terminal.stderr.write('half a ');
  progress.update(1);
  await terminal.resize(60, 24);
  terminal.stderr.write('line\n');
  terminal.stderr.write('a line without an end');
  progress.log('a line');
  terminal.stderr.write('another');
  progress.update(2);
  progress.stop();
  expect(await terminal.lines()).toEqual([
    'half a line',
    'a line without an end',
    'a line',
    'another',
    `Training ${'█'.repeat(24)} 2/2`,
  ]);
});

test('after it the streams are as before, and the cursor is seen', async () => {
  const terminal = openTerminal();
  const writes = () => [terminal.stdout, terminal.stderr].map((stream) => Reflect.get(stream, 'write') as unknown);
  const before = writes();
  const progress = barOn(terminal, 2);
  expect(writes()).not.toEqual(before);
  progress.stop();
  progress.stop();
  expect(writes()).toEqual(before);
  await terminal.resize(60, 24);
  expect(await terminal.lines()).toEqual([`Training ${'░'.repeat(24)} 0/2  ? left`]);
});

test('without a known total it says how much is done', async () => {
  const terminal = openTerminal();
  const progress = barOn(terminal);
  progress.update(12345);
  progress.stop();
  expect(await terminal.lines()).toEqual(['Training 12345']);
});

test('elsewhere there are lines: the first, one now and then, the last', () => {
  const written: string[] = [];
  const stream = { isTTY: false, write: (text: string) => written.push(text) } as unknown as WriteStream;
  const progress = createProgress({ label: 'Training', total: 3, stream });
  for (const done of [1, 2, 3]) progress.update(done, 'loss 0.5');
  progress.log('a line');
  progress.stop();
  expect(written).toEqual([
    expect.stringMatching(/^Training 1\/3 {2}loss 0\.5 {2}0s left\n$/),
    'Training 3/3  loss 0.5\n',
    'a line\n',
  ]);
});
