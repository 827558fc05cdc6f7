// Makes the sheets of pictures that the view "Train it" comes with, from what the packages hold. That of digits, whose data
// are no package's, lies in src beside its licence; node scripts/data.mjs <folder of MNIST's four files> makes it anew.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { openDataset } from '@ddpm/datasets';
import { imageGrid } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';

const source = new URL('../src/', import.meta.url);
mkdirSync(new URL('data/', source), { recursive: true });

/** The first 2,048 pictures of a dataset, 16×16, in rows of 64. */
async function sheet(file, dataset, options) {
  const { shape, image } = await openDataset(dataset, { imageSize: 16, ...options });
  const [height, width, channels] = shape;
  const images = [];
  for (let i = 0; i < 2048; i++) images.push({ width, height, channels, data: await image(i) });
  writeFileSync(file, encodePng(imageGrid(images, { columns: 64, padding: 0 })));
}

const [mnist] = process.argv.slice(2);
if (mnist !== undefined) await sheet(new URL('digits.png', source), 'mnist', { dataDir: mnist });
for (const [name, dataset, channels] of [
  ['portraits', 'pixel-art', 3],
  ['garments', 'fashion-mnist-10k', 1],
]) {
  const file = new URL(`data/${name}.png`, source);
  if (!existsSync(file)) await sheet(file, dataset, { channels });
}
