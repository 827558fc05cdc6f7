import { kebab, UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import { slerp } from '@ddpm/diffusion';
import type { Denoiser, Guidance } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';
import { readImage } from './pictures';

/** How much vectors count where nobody says, if the model was trained to do without. */
const GUIDANCE = 2;
/** Options that a decoder has no use for: pictures reach it by their vectors alone. */
const USELESS = ['mask', 'strength', 'resample', 'class', 'negative'] as const;

/**
 * CLIP's vectors that a decoder is to make images of: that of one picture for all, which makes variations of it, or
 * those on the arc between two pictures' (Ramesh et al. 2022, §3.1 and §3.2).
 * @throws UsageError in one line if no picture is named, or more than it has use for
 */
export async function vectorsFor(
  { clip: known, encoder, image }: Denoiser,
  count: number,
  settings: Settings,
): Promise<{ readonly condition: Batch; readonly guidance?: Guidance; readonly record: JsonObject }> {
  const { from, interpolate, guidance: scale, guidanceRescale: rescale, guidanceInterval: interval } = settings;
  const { features, dropout } = known!;
  const useless = USELESS.find((name) => settings[name] !== undefined);
  if (useless)
    throw new UsageError(`--${kebab(useless)} is not for a model that draws from CLIP's vectors of pictures`);
  if ((from === undefined) === (interpolate === undefined))
    throw new UsageError(
      "this model draws from CLIP's vectors of pictures: name one by --from, for variations of it, or two by --interpolate",
    );
  if (dropout === 0 && scale !== undefined && scale !== 1)
    throw new UsageError(
      'this model was not trained to do without vectors (--vector-dropout), and guidance needs that',
    );
  const ends = await Promise.all((interpolate ?? [from!]).map((path) => readImage(path, image)));
  const vectors = ends.map((pixels) =>
    tf.tidy(() => {
      const vector = encoder!.encodeImage(tf.tensor4d(pixels, [1, ...image]));
      return tf.mul(vector, Math.sqrt(features)).dataSync<'float32'>();
    }),
  );
  const data = new Float32Array(count * features);
  for (let i = 0; i < count; i++) {
    const [a, b] = vectors;
    data.set(b ? slerp(a, b, count === 1 ? 0 : i / (count - 1)) : a, i * features);
  }
  const none: Batch = { imageEmbedding: { data: new Float32Array(features), item: [features] } };
  const told = scale ?? GUIDANCE;
  return {
    condition: { imageEmbedding: { data, item: [features] } },
    ...(dropout > 0 && {
      guidance: { scale: told, none, ...(rescale !== undefined && { rescale }), ...(interval && { interval }) },
    }),
    record: {
      ...(from !== undefined && { from }),
      ...(interpolate && { interpolate: [...interpolate] }),
      ...(dropout > 0 && { guidance: { scale: told } }),
    },
  };
}
