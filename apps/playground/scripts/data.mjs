// Makes the sheets of pictures that the view "Train it" comes with, from what the packages hold.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { openDataset } from '@ddpm/datasets';
import { imageGrid } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';

const folder = new URL('../src/data/', import.meta.url);
mkdirSync(folder, { recursive: true });

async function sheet(name, dataset, channels) {
  const file = new URL(`${name}.png`, folder);
  if (existsSync(file)) return;
  const { shape, image } = await openDataset(dataset, { imageSize: 16, channels });
  const [height, width] = shape;
  const images = [];
  for (let i = 0; i < 2048; i++) images.push({ width, height, channels, data: await image(i) });
  writeFileSync(file, encodePng(imageGrid(images, { columns: 64, padding: 0 })));
}

await sheet('portraits', 'pixel-art', 3);
await sheet('garments', 'fashion-mnist-10k', 1);
