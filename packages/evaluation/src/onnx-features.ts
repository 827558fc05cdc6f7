import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { reason } from '@ddpm/checkpoint';
import type { OnnxModel } from '@ddpm/compile';
import { openOnnx } from '@ddpm/compile';
import type { Channels } from '@ddpm/datasets';
import { fitted } from '@ddpm/datasets';
import type { FeatureNetwork } from './feature-network';

/** The order of an image's axes. */
export type Layout = 'nchw' | 'nhwc';

/** Options that an ONNX file does not say by itself. */
export interface OnnxFeaturesOptions {
  /** By default what the input's shape tells. */
  readonly layout?: Layout;
  /** The values of black and white; [−1, 1] by default. */
  readonly range?: readonly [black: number, white: number];
  /** The output that holds the features; by default the first. */
  readonly output?: string;
}

/**
 * The features that an ONNX file makes of images: of its one input, [n, c, h, w] or [n, h, w, c] float32, an output [n,
 * width], or [n, width, 1, 1]. Images are brought to its size and channels as Pillow does it.
 * @throws Error in one line if the file cannot be used
 */
export async function onnxFeatures(
  path: string,
  { layout, range = [-1, 1], output }: OnnxFeaturesOptions = {},
): Promise<FeatureNetwork> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`${path} cannot be used for features: ${what}`, { cause });
  };
  const failed = (error: Error) => fail(error.message, error);
  const model: OnnxModel = await openOnnx(bytes).catch(failed);
  const { inputs, outputs } = model;
  const [{ name: inputName, shape, type }] = inputs;
  if (inputs.length !== 1)
    fail(`it should have one input, images, but has ${inputs.map(({ name }) => name).join(', ')}`);
  if (shape.length !== 4 || type !== 'float32')
    fail(`its input ${inputName} should be float32 of four axes, but is ${type} [${shape.join(', ')}]`);
  const outputName = output ?? outputs[0];
  if (!outputs.includes(outputName)) fail(`it has no output ${outputName}, but ${outputs.join(', ')}`);

  const order = layout ?? layoutOf(shape);
  if (order === undefined)
    return fail(`its input's shape [${shape.join(', ')}] does not tell whether it is nchw or nhwc; say which`);
  const [h, w, c] = (order === 'nchw' ? [2, 3, 1] : [1, 2, 3]).map((axis) => shape[axis]);
  const channels = typeof c === 'number' ? asChannels(c) : undefined;
  if (typeof c === 'number' && channels === undefined)
    fail(`its input [${shape.join(', ')}] has ${c} channels as ${order}; images have 1, 3 or 4`);
  const batch = typeof shape[0] === 'number' ? shape[0] : undefined;
  const [black, white] = range;
  const runPart = async (images: Float32Array, [n, ...item]: Shape) => {
    const [height, width, depth] = item;
    const dims = order === 'nchw' ? [n, depth, height, width] : [n, ...item];
    const values = Float32Array.from(
      order === 'nchw' ? toNchw(images, n, item) : images,
      (value) => black + ((value + 1) / 2) * (white - black),
    );
    const result = await model.run({ [inputName]: { data: values, shape: dims } }, outputName).catch(failed);
    if (result.shape[0] !== n || result.shape.slice(2).some((size) => size !== 1))
      fail(`its output ${outputName} should be [n, width], but is [${result.shape.join(', ')}]`);
    return result.data;
  };
  return {
    name: basename(path),
    // What the file is given belongs to what it makes.
    hash: createHash('sha256')
      .update(bytes)
      .update(JSON.stringify([order, range, outputName]))
      .digest('hex')
      .slice(0, 12),
    fit(images) {
      const sized = (wanted: number | string, i: number) => (typeof wanted === 'number' ? wanted : images.shape[i]);
      return fitted(images, { size: [sized(h, 0), sized(w, 1)], channels });
    },
    async run(images, shape) {
      if (batch === undefined) return { features: await runPart(images, shape) };
      // A file for one size of batch: parts of that size, the last filled up.
      const [n, ...item] = shape;
      const each = images.length / n;
      const parts: Float32Array[] = [];
      for (let start = 0; start < n; start += batch) {
        const part = new Float32Array(batch * each);
        part.set(images.subarray(start * each, Math.min(start + batch, n) * each));
        const all = await runPart(part, [batch, ...item]);
        parts.push(all.subarray(0, (all.length / batch) * Math.min(batch, n - start)));
      }
      const features = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      parts.reduce((at, part) => (features.set(part, at), at + part.length), 0);
      return { features };
    },
    dispose: () => model.dispose(),
  };
}

const asChannels = (c: number) => ([1, 3, 4] as const).find((channels): channels is Channels => channels === c);

/** Of a batch of images. */
type Shape = readonly [n: number, h: number, w: number, c: number];

/** By which axis can be the channels; undefined where both can, or neither. */
function layoutOf(shape: readonly (number | string)[]): Layout | undefined {
  const [first, last] = [shape[1], shape[3]].map((size) => typeof size === 'number' && asChannels(size) !== undefined);
  return first === last ? undefined : first ? 'nchw' : 'nhwc';
}

function toNchw(images: Float32Array, n: number, [h, w, c]: readonly [number, number, number]): Float32Array {
  if (c === 1) return images;
  const out = new Float32Array(images.length);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < h * w; p++)
      for (let k = 0; k < c; k++) out[(i * c + k) * h * w + p] = images[(i * h * w + p) * c + k];
  return out;
}
