import { createHash } from 'node:crypto';
import type { FeatureNetwork } from './feature-network';

/** Images are seen as so many squares on a side. */
const SIDE = 8;

/**
 * Features of any images without a network: their values, averaged over squares until they are 8×8 or smaller. They
 * know colours and places, and nothing of what is to be seen.
 */
export function pixelFeatures(): FeatureNetwork {
  const name = 'pixels';
  return {
    name,
    hash: createHash('sha256').update(`${name} ${SIDE}×${SIDE}`).digest('hex').slice(0, 12),
    fit: (images) => images,
    run(images, [n, h, w, c]) {
      const square = Math.ceil(Math.max(h, w) / SIDE);
      const [rows, columns] = [Math.ceil(h / square), Math.ceil(w / square)];
      const features = new Float32Array(n * rows * columns * c);
      for (let i = 0; i < n; i++) {
        for (let y = 0; y < h; y++) {
          for (let x = 0; x < w; x++) {
            const [row, column] = [Math.floor(y / square), Math.floor(x / square)];
            // At the edges squares are cut.
            const size = Math.min(square, h - row * square) * Math.min(square, w - column * square);
            for (let k = 0; k < c; k++)
              features[((i * rows + row) * columns + column) * c + k] += images[((i * h + y) * w + x) * c + k] / size;
          }
        }
      }
      return Promise.resolve({ features });
    },
    dispose: () => Promise.resolve(),
  };
}
