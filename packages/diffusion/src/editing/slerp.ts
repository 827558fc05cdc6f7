import type { NormalSource } from '@ddpm/random';

/**
 * From a to b along the arc between them (Shoemake 1985), which keeps the length of noise, as a straight line does not:
 * (sin((1 − f)θ) a + sin(fθ) b)/sin θ, θ the angle between them. At f = 0 it is a, at f = 1 b, to the bit.
 * @throws RangeError if they differ in length, or share is not from 0 to 1
 */
export function slerp(a: Float32Array, b: Float32Array, share: number): Float32Array {
  if (a.length !== b.length)
    throw new RangeError(`slerp: both must have the same length, got ${a.length} and ${b.length}`);
  if (!(share >= 0 && share <= 1)) throw new RangeError(`slerp: share must be from 0 to 1, got ${share}`);
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    ab += a[i] * b[i];
  }
  const angle = Math.acos(Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb))));
  // Where they have one direction, or none, the arc is a line.
  const [ofA, ofB] =
    Math.sin(angle) > 1e-6
      ? [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)]
      : [1 - share, share];
  return a.map((value, i) => ofA * value + ofB * b[i]);
}

/**
 * Draws what lies so far from what one source draws to what another does, and so goes from the images of the one, at
 * share 0, to those of the other, at 1, with every sampler: the noise that its steps draw lies between too.
 */
export function between(a: NormalSource, b: NormalSource, share: number): NormalSource {
  return { normals: (count) => slerp(a.normals(count), b.normals(count), share) };
}
