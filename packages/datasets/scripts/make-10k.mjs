// Writes data/fashion-mnist-10k-*.gz, the first 10,000 training images and labels, from a folder with the official
// files:
//   node packages/datasets/scripts/make-10k.mjs FOLDER
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const COUNT = 10_000;
const parts = [
  {
    kind: 'images-idx3',
    header: 16,
    item: 28 * 28,
    sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  },
  {
    kind: 'labels-idx1',
    header: 8,
    item: 1,
    sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
];
for (const { kind, header, item, sha256 } of parts) {
  const whole = gunzipSync(readFileSync(join(process.argv[2], `train-${kind}-ubyte.gz`)));
  if (createHash('sha256').update(whole).digest('hex') !== sha256)
    throw new Error(`train-${kind}-ubyte.gz is not the official file`);
  const first = Buffer.from(whole.subarray(0, header + COUNT * item));
  first.writeUInt32BE(COUNT, 4);
  const out = new URL(`../data/fashion-mnist-10k-${kind}-ubyte.gz`, import.meta.url);
  writeFileSync(out, gzipSync(first, { level: 9, memLevel: 9 }));
}
