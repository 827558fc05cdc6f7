// Colours of GIFs, ours and Pillow's: the mean difference of a channel from the picture, and the time of a frame. Build
// first, then
//   node scripts/compare-gif.mjs [python with Pillow and NumPy]
import { spawnSync } from 'node:child_process';
import sharp from 'sharp';
import { encodeGif } from '../dist/gif.js';

const picture = (width, height, colour) => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from(
    Array.from({ length: width * height }, (_, i) => colour(i % width, Math.floor(i / width))).flat(),
  ),
});
// mulberry32: the same noise every time.
let state = 1;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const waves = (size) =>
  picture(size, size, (x, y) => {
    const [u, v] = [x / (size - 1), y / (size - 1)];
    return [Math.sin(3 * u + 2 * v), Math.cos(4 * u * v + 1), Math.sin(5 * (u - v))].map((wave) =>
      Math.round(127.5 + 127.5 * wave),
    );
  });
const noise = Array.from({ length: 28 * 28 }, () => [0, 1, 2].map(() => Math.floor(256 * random())));
const pictures = {
  'ten near colours': picture(16, 16, (x, y) => [100 + ((x + 3 * y) % 10), 100, 100]),
  '2,048 in a plane': picture(64, 32, (x, y) => [96 + x, 112 + y, 128]),
  '2,048 in a slanted plane': picture(64, 32, (x, y) => [4 * x, 8 * y, 2 * (x + y)]),
  'waves, 64 × 64': waves(64),
  'waves, 512 × 512': waves(512),
  'noise, 28 × 28 enlarged to 112 × 112': picture(112, 112, (x, y) => noise[28 * (y >> 2) + (x >> 2)]),
  'noise, 512 × 512': picture(512, 512, () => [0, 1, 2].map(() => Math.floor(256 * random()))),
};

const python = `
import json, sys, time
import numpy as np
from PIL import Image
for line in sys.stdin:
    p = json.loads(line)
    a = np.frombuffer(bytes.fromhex(p["data"]), np.uint8).reshape(p["height"], p["width"], 3)
    answer = []
    for method in 0, 1, 2:
        start = time.perf_counter()
        q = Image.fromarray(a).quantize(256, method=method)
        seconds = time.perf_counter() - start
        answer.append([float(np.abs(np.asarray(q.convert("RGB")).astype(int) - a).mean()), 1000 * seconds])
    print(json.dumps(answer))
`;
const input = Object.values(pictures).map(({ data, ...size }) =>
  JSON.stringify({ ...size, data: Buffer.from(data).toString('hex') }),
);
const peer = spawnSync(process.argv[2] ?? 'python3', ['-c', python], {
  input: `${input.join('\n')}\n`,
  maxBuffer: 2 ** 24,
  encoding: 'utf8',
});
if (peer.status !== 0) throw new Error(peer.error?.message ?? peer.stderr);
const theirs = peer.stdout.trim().split('\n').map(JSON.parse);

const cell = ([error, ms]) => `${error.toFixed(3)} (${ms.toFixed(0)} ms)`;
console.log(
  '| picture | ours, with the encoding | Pillow: median cut | maximum coverage | octree |\n| --- | --- | --- | --- | --- |',
);
for (const [i, [name, frame]] of Object.entries(pictures).entries()) {
  encodeGif([frame]);
  const start = performance.now();
  const gif = encodeGif([frame]);
  const ms = performance.now() - start;
  const shown = await sharp(gif).removeAlpha().raw().toBuffer();
  const error = shown.reduce((sum, value, at) => sum + Math.abs(value - frame.data[at]), 0) / shown.length;
  console.log(`| ${[name, cell([error, ms]), ...theirs[i].map(cell)].join(' | ')} |`);
}
