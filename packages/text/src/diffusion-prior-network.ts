import type { DiffusionPriorOptions } from './diffusion-prior';
import { DiffusionPrior } from './diffusion-prior';

/**
 * The diffusion prior as a network package: `ddpm-train --task prior --network @ddpm/text/diffusion-prior
 * --network-options '{"width": 128}'`. The trainer gives the features of CLIP's vectors, the sizes of its vocabulary and of
 * captions, and the `seed`.
 * @throws RangeError that names an option that there is not, or sizes that do not fit together
 */
export default function createNetwork({
  features,
  vocabularySize,
  length,
  width,
  layers,
  heads,
  seed,
  ...unknown
}: DiffusionPriorOptions): DiffusionPrior {
  const strangers = Object.keys(unknown);
  if (strangers.length > 0) throw new RangeError(`DiffusionPrior: there is no option ${strangers.join(', ')}`);
  return new DiffusionPrior({ features, vocabularySize, length, width, layers, heads, seed });
}
