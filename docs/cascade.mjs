// What a cascade brings on Fashion-MNIST (Ho et al. 2021), from 14×14 to 28×28: a stage that was trained with
// conditioning augmentation and one without, on the pictures of a base and of one that has hardly learned, beside bicubic
// interpolation; a table as that of text-to-image.md, and its picture. A quarter of an hour on two idle cores; runs that
// are there are not trained again, and what was measured of them is not measured again.
//   node docs/cascade.mjs [--out runs/cascade] [--picture docs/cascade.png]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { enlarge, imageGrid } from '../packages/images/dist/index.js';
import { decodePng, encodePng } from '../packages/images/dist/png.js';
import { kid, percent, resultsOf, run, table, trained } from './experiment.mjs';

const { values } = parseArgs({
  options: { out: { type: 'string', default: join('runs', 'cascade') }, picture: { type: 'string' } },
});
const train = (name, ...options) => trained(join(values.out, name), ...options, '--sample-every', '0');
const augmented = train('augmented', '--preset', 'super-resolution');
const plain = train('plain', '--preset', 'super-resolution', '--max-augmentation', '0');
const bases = [
  ['2,000 steps', train('base', '--preset', 'quick', '--image-size', '14')],
  ['400 steps', train('weak-base', '--preset', 'quick', '--image-size', '14', '--steps', '400')],
];

/** The results of a stage on a base's pictures, told each of these levels, and that of bicubic interpolation. */
function measured(stage, base, levels) {
  const known = () => resultsOf(stage).filter(({ cascade }) => cascade?.base === base);
  const of = (level) => known().find(({ cascade }) => cascade.augmentation === level);
  const missing = levels.filter((level) => !of(level));
  if (missing.length > 0) {
    const told = stage === plain ? [] : ['--augmentation', missing.join()];
    run('evaluator', stage, '--base', base, '-n', '1024', ...told);
  }
  return { told: levels.map(of), bicubic: known().find(({ cascade }) => cascade.bicubic) };
}

const LEVELS = [0, 0.1, 0.2, 0.3];
table(
  ['base', 'stage', 'Fréchet distance', 'KID', 'precision', 'recall', 'right class'],
  bases.flatMap(([name, base]) => {
    const without = measured(plain, base, [0]);
    const stages = [
      ['bicubic interpolation', without.bicubic],
      ['without augmentation', without.told[0]],
      ...measured(augmented, base, LEVELS).told.map((result, i) => [`with, told ${LEVELS[i]}`, result]),
    ];
    return stages.map(([stage, { frechetDistance, kernelDistance, precision, recall, classAccuracy }]) => [
      ...[name, stage, frechetDistance.toFixed(2), kid(kernelDistance)],
      ...[precision, recall, classAccuracy].map(percent),
    ]);
  }),
);

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
