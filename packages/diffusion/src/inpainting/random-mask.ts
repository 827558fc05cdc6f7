import type { Random } from '@ddpm/random';

/** How often all of the picture is to be drawn, so that the network goes on drawing without one. */
const ALL = 0.1;
/** Rectangles that a mask is made of, at most. */
const RECTANGLES = 4;

/**
 * Which of a picture is to be drawn, [h, w, 1]: 1 in some rectangles of any size and place, or everywhere but there, each
 * as often, or now and then everywhere; 0 where it is known.
 */
export function randomMask(h: number, w: number, rng: Random): Float32Array {
  const mask = new Float32Array(h * w);
  if (rng.uniform() < ALL) return mask.fill(1);
  const [inside, outside] = rng.uniform() < 0.5 ? [1, 0] : [0, 1];
  mask.fill(outside);
  const rectangles = 1 + rng.integer(RECTANGLES);
  for (let i = 0; i < rectangles; i++) {
    const [top, bottom] = [rng.integer(h), rng.integer(h)].sort((a, b) => a - b);
    const [left, right] = [rng.integer(w), rng.integer(w)].sort((a, b) => a - b);
    for (let y = top; y <= bottom; y++) mask.fill(inside, y * w + left, y * w + right + 1);
  }
  return mask;
}
