// Makes awkward pictures, reads each with @ddpm/datasets and with Pillow, and shows how far the pixels are apart (build
// first):
// node scripts/compare-pictures.mjs --python <a python that has pillow and numpy> [--keep <folder for the pictures>]
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './pnpm.mjs';

const { values } = parseArgs({ options: { python: { type: 'string', default: 'python3' }, keep: { type: 'string' } } });
const { openFolder } = await import(new URL('../packages/datasets/dist/index.js', import.meta.url));
const sharp = createRequire(join(root, 'packages', 'datasets', 'package.json'))('sharp');

/** [h, w]: as they are; large and small factors, whole and not; another aspect. */
const SIZES = [null, [16, 16], [68, 92], [102, 138], [47, 61], [40, 30], [64, 64]];
const CHANNELS = [null, 1, 3, 4];
/** Differences that are known, each at most so large; all else is the same to the bit. */
const ALLOWED = { 'full-chroma.avif': 3, 'half-chroma.avif': 90 };

const work = mkdtempSync(join(tmpdir(), 'ddpm-pictures-'));
const pictures = values.keep ?? join(work, 'pictures');
mkdirSync(pictures, { recursive: true });
const version = python(['make', pictures]);
await makeOthers(pictures);

const names = readdirSync(pictures).sort();
const jobs = names.flatMap((name) => SIZES.flatMap((size) => CHANNELS.map((channels) => ({ name, size, channels }))));
const asked = jobs.map(({ name, size, channels }, i) =>
  JSON.stringify({ path: join(pictures, name), channels, size, out: join(work, `${i}`) }),
);
const answers = python(['read'], asked.join('\n'))
  .split('\n')
  .map((line) => JSON.parse(line));

const rows = new Map(names.map((name) => [name, { file: name, 'Pillow’s mode': '' }]));
const worst = new Map();
for (const [i, { name, size, channels }] of jobs.entries()) {
  const row = rows.get(name);
  const { kind, shape } = answers[i];
  row['Pillow’s mode'] = kind;
  const alone = join(work, `${i}-alone`);
  mkdirSync(alone);
  copyFileSync(join(pictures, name), join(alone, name));
  try {
    const dataset = await openFolder(alone, { ...(size && { size }), ...(channels && { channels }) });
    if (dataset.shape.join() !== shape.join()) throw new Error(`${dataset.shape.join('×')}, Pillow ${shape.join('×')}`);
    const { most, mean } = differences(await dataset.image(0), readFileSync(join(work, `${i}`)), shape[2]);
    const what = size ? 'scaled' : 'as it is';
    if (most >= (row[`${what}: most`] ?? 0))
      Object.assign(row, { [`${what}: most`]: most, [`${what}: mean`]: Number(mean.toFixed(3)) });
    worst.set(name, Math.max(worst.get(name) ?? 0, most));
  } catch (error) {
    worst.set(name, Infinity);
    row.error = error.message;
  }
}
rmSync(work, { recursive: true });

const wrong = names.filter((name) => worst.get(name) > (ALLOWED[name] ?? 0));
console.log(`Pillow ${version}; differences of ${jobs.length} readings of ${names.length} files, in levels of 256`);
console.table([...rows.values()]);
console.log(wrong.length === 0 ? 'All as expected.' : `Not as Pillow reads them: ${wrong.join(', ')}`);
process.exitCode = wrong.length === 0 ? 0 : 1;

function python(args, input) {
  const { status, stdout, stderr, error } = spawnSync(
    values.python,
    [join(root, 'scripts', 'compare-pictures.py'), ...args],
    {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    },
  );
  if (status !== 0) {
    console.error(`${values.python}: ${error?.message ?? stderr}`);
    process.exit(2);
  }
  return stdout.trim();
}

/** Pictures that Pillow does not write: colour of 16 bits, and a profile of other colours. */
async function makeOthers(folder) {
  const samples = Uint16Array.from({ length: 46 * 34 * 3 }, (_, i) => (i * 40503) % 65536);
  const wide = sharp(samples, { raw: { width: 46, height: 34, channels: 3 } });
  await wide.clone().toColourspace('rgb16').png().toFile(join(folder, 'rgb-16-bit.png'));
  await sharp(join(folder, 'rgb.png'))
    .withIccProfile('p3')
    .jpeg({ quality: 90 })
    .toFile(join(folder, 'display-p3.jpg'));
  await sharp(join(folder, 'rgb.png')).png({ progressive: true }).toFile(join(folder, 'interlaced.png'));
}

/** Colour where nothing can be seen does not count. */
function differences(ours, theirs, channels) {
  let [most, sum] = [0, 0];
  for (let i = 0; i < theirs.length; i++) {
    const alpha = channels === 4 && i % 4 < 3 ? i - (i % 4) + 3 : undefined;
    if (alpha !== undefined && ours[alpha] === 0 && theirs[alpha] === 0) continue;
    const difference = Math.abs(ours[i] - theirs[i]);
    most = Math.max(most, difference);
    sum += difference;
  }
  return { most, mean: sum / theirs.length };
}
