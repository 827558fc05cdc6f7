// What a cascade brings on Fashion-MNIST (Ho et al. 2021), from 14×14 to 28×28: a stage that was trained with
// conditioning augmentation and one without, on the pictures of a base and of one that has hardly learned, beside bicubic
// interpolation; a table as that of text-to-image.md, and its picture. A quarter of an hour on two idle cores; runs that
// are there are not trained again, and what was measured of them is not measured again.
//   node docs/cascade.mjs [--out runs/cascade] [--picture docs/cascade.png]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { enlarge, imageGrid } from '../packages/images/dist/index.js';
import { decodePng, encodePng } from '../packages/images/dist/png.js';

const { values } = parseArgs({
  options: { out: { type: 'string', default: join('runs', 'cascade') }, picture: { type: 'string' } },
});
const app = (name) => fileURLToPath(new URL(`../apps/${name}/dist/cli.js`, import.meta.url));

function run(name, ...args) {
  const { status } = spawnSync(process.execPath, [app(name), ...args], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`cascade: ${name} ${args.join(' ')} ended with ${status}`);
}

/** The folder of a run, which is trained, or trained to its end, where that is missing. */
function trained(name, ...options) {
  const folder = join(values.out, name);
  if (existsSync(join(folder, 'checkpoint.safetensors'))) run('trainer', '--resume', folder);
  else run('trainer', ...options, '--sample-every', '0', '--out', folder);
  return folder;
}

const augmented = trained('augmented', '--preset', 'super-resolution');
const plain = trained('plain', '--preset', 'super-resolution', '--max-augmentation', '0');
const bases = [
  ['2,000 steps', trained('base', '--preset', 'quick', '--image-size', '14')],
  ['400 steps', trained('weak-base', '--preset', 'quick', '--image-size', '14', '--steps', '400')],
];

/** The results of a stage on a base's pictures. */
function measured(stage, base, augmentations) {
  const path = join(stage, 'evaluation.json');
  const known = () => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []);
  const of = (augmentation) =>
    known().find(({ cascade }) => cascade?.base === base && cascade.augmentation === augmentation);
  const missing = augmentations.filter((augmentation) => !of(augmentation));
  if (missing.length > 0)
    run(
      'evaluator',
      stage,
      '--base',
      base,
      '-n',
      '1024',
      ...(stage === plain ? [] : ['--augmentation', missing.join()]),
    );
  return [...augmentations.map(of), known().find(({ cascade }) => cascade?.base === base && cascade.bicubic)];
}

const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
row('base', 'stage', 'Fréchet distance', 'KID', 'precision', 'recall', 'right class');
row(...Array.from({ length: 7 }, () => '---'));
const percent = (share) => `${Math.round(100 * share)} %`;
const LEVELS = [0, 0.1, 0.2, 0.3];
for (const [name, base] of bases) {
  const [without, bicubic] = measured(plain, base, [0]);
  const with_ = measured(augmented, base, LEVELS).slice(0, -1);
  for (const [stage, { frechetDistance, kernelDistance, precision, recall, classAccuracy }] of [
    ['bicubic interpolation', bicubic],
    ['without augmentation', without],
    ...LEVELS.map((level, i) => [`with, told ${level}`, with_[i]]),
  ]) {
    const kid = `${kernelDistance.value.toFixed(3)} ± ${kernelDistance.error.toFixed(3)}`;
    row(name, stage, frechetDistance.toFixed(2), kid, ...[precision, recall, classAccuracy].map(percent));
  }
}

if (values.picture !== undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-cascade-'));
  /** Ten garments, one of each class. */
  const drawn = (...args) => {
    const out = mkdtempSync(join(folder, 'drawn-'));
    run('sampler', ...args, '--count', '10', '--seed', '0', '--format', 'png', '--out', out);
    return Array.from({ length: 10 }, (_, i) => decodePng(readFileSync(join(out, `${i}.png`)), { channels: 1 }));
  };
  const rows = bases.flatMap(([, base], i) => [
    drawn(base).map((image) => enlarge(image, 2)),
    drawn(plain, '--base', base),
    drawn(augmented, '--base', base, '--augmentation', ['0.1', '0.3'][i]),
  ]);
  writeFileSync(values.picture, encodePng(enlarge(imageGrid(rows.flat(), { columns: 10 }), 2)));
  rmSync(folder, { recursive: true });
}
