import { fromBytes } from '@ddpm/images';
import { Random } from '@ddpm/random';
import { concurrently } from './concurrent';
import type { CaptionEncoder, Dataset, Tokenizer } from './dataset';

/**
 * Some images of a dataset with their classes, ready for a network: each field's values one example after the other.
 */
export type Examples = {
  /** [h, w, c] each, in [−1, 1]; or what stands for them, where the dataset has that (`encoded`). */
  readonly image: {
    readonly data: Float32Array<ArrayBuffer>;
    readonly item: readonly [h: number, w: number, c: number];
  };
  /** Their classes, if the dataset has them. */
  readonly label?: { readonly data: Int32Array<ArrayBuffer>; readonly item: readonly [] };
  /** A caption of each as [length] ids, if the dataset makes tokens of its captions. */
  readonly tokens?: { readonly data: Int32Array<ArrayBuffer>; readonly item: readonly [length: number] };
  /** A caption of each as an encoder has it, if the dataset has one. */
  readonly text?: {
    readonly data: Float32Array<ArrayBuffer>;
    readonly item: readonly [length: number, features: number];
  };
  /** Where of that there is no padding. */
  readonly present?: { readonly data: Float32Array<ArrayBuffer>; readonly item: readonly [length: number] };
};

/** Which examples to give, and in which order. */
export interface ExamplesOptions {
  /** Examples in a batch; the last of an epoch may have fewer. */
  readonly batchSize: number;
  /** Order, flips, and the choice among an image's captions follow from it and the number of the epoch. */
  readonly seed: number;
  /** Number of the first batch to give, counted over all epochs; 0 by default. */
  readonly start?: number;
  /** The probability that an image is mirrored left to right; 0 by default. */
  readonly flip?: number;
}

/** How many images are decoded at a time. */
const LANES = 8;

/**
 * How many batches an epoch has, the last and perhaps smaller one included.
 * @throws RangeError unless batchSize is a whole number of at least 1
 */
export function batchCount(dataset: Dataset, batchSize: number): number {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`examples: batchSize must be a whole number of at least 1, got ${batchSize}`);
  }
  return Math.ceil(dataset.size / batchSize);
}

/**
 * A dataset in batches without end, each epoch in an order of its own; the next batch is decoded while one is in use.
 * The contents of a batch are a function of seed and its number alone, wherever it starts.
 * @throws RangeError if an option is out of range
 */
export function examples(
  dataset: Dataset,
  { batchSize, seed, start = 0, flip = 0 }: ExamplesOptions,
): AsyncGenerator<Examples, void, undefined> {
  const count = batchCount(dataset, batchSize);
  if (!Number.isSafeInteger(start) || start < 0)
    throw new RangeError(`examples: start must be a whole number of at least 0, got ${start}`);
  if (!(flip >= 0 && flip <= 1)) throw new RangeError(`examples: flip must be from 0 to 1, got ${flip}`);

  const orderOf = (epoch: number) => {
    const random = new Random([seed, 'order', epoch]);
    const order = random.shuffle(Int32Array.from({ length: dataset.size }, (_, i) => i));
    const mirrored = Uint8Array.from(order, () => (random.uniform() < flip ? 1 : 0));
    const choice = new Random([seed, 'captions', epoch]);
    return {
      epoch,
      order,
      mirrored,
      captions: (dataset.tokenizer ?? dataset.captionEncoder) && order.map(() => choice.integer(2 ** 31 - 1)),
    };
  };
  let current = orderOf(Math.floor(start / count));
  return ahead(start, (number) => {
    const epoch = Math.floor(number / count);
    if (epoch !== current.epoch) current = orderOf(epoch);
    const from = (number % count) * batchSize;
    const to = Math.min(from + batchSize, dataset.size);
    return readExamples(dataset, current.order.subarray(from, to), {
      mirrored: current.mirrored.subarray(from, to),
      captions: current.captions?.subarray(from, to),
    });
  });
}

/** load(start), load(start + 1), …: each one begun when the one before it is handed out. */
async function* ahead<T>(start: number, load: (i: number) => Promise<T>): AsyncGenerator<T, void, undefined> {
  let next = load(start);
  for (let i = start; ; i++) {
    const current: T = await next;
    next = load(i + 1);
    // A failure is thrown when its turn comes; until then it is not an unhandled one.
    next.catch(() => {});
    yield current;
  }
}

/**
 * The examples of these numbers.
 * @param options.mirrored 1 for each that is to be mirrored left to right; none by default
 * @param options.captions which of its captions each has, modulo their number; the first by default
 * @throws RangeError if an image is not shaped as the dataset says, or the tokens of a caption are not as many as the
 * tokenizer says
 */
export async function readExamples(
  dataset: Dataset,
  indices: Int32Array,
  { mirrored, captions }: { mirrored?: Uint8Array; captions?: Int32Array } = {},
): Promise<Examples> {
  const { shape, encoded } = dataset;
  const item = encoded?.item ?? shape;
  const each = item[0] * item[1] * item[2];
  const data = new Float32Array(indices.length * each);
  await concurrently(indices.length, LANES, async (k) => {
    const flipped = mirrored?.[k] === 1;
    if (encoded) return data.set(await encoded.read(indices[k], { mirrored: flipped }), k * each);
    const bytes = await dataset.image(indices[k]);
    if (bytes.length !== each)
      throw new RangeError(
        `examples: image ${indices[k]} has ${bytes.length} bytes, but the dataset's shape is ${shape.join('×')}`,
      );
    data.set(fromBytes(flipped ? mirror(bytes, shape) : bytes), k * each);
  });
  return {
    image: { data, item },
    ...(dataset.label && { label: { data: Int32Array.from(indices, (i) => dataset.label!(i)), item: [] } }),
    ...(dataset.tokenizer && { tokens: readTokens(dataset, dataset.tokenizer, indices, captions) }),
    ...(dataset.captionEncoder && (await readText(dataset, dataset.captionEncoder, indices, captions))),
  };
}

async function readText(
  dataset: Dataset,
  encoder: CaptionEncoder,
  indices: Int32Array,
  which?: Int32Array,
): Promise<Required<Pick<Examples, 'text' | 'present'>>> {
  const { length, features } = encoder;
  const text = new Float32Array(indices.length * length * features);
  const present = new Float32Array(indices.length * length);
  const all = await Promise.all(
    Array.from(indices, (i, k) => {
      const captions = dataset.captions!(i);
      return encoder.read(captions[(which?.[k] ?? 0) % captions.length]);
    }),
  );
  all.forEach((said, k) => {
    text.set(said.text, k * length * features);
    present.set(said.present, k * length);
  });
  return { text: { data: text, item: [length, features] }, present: { data: present, item: [length] } };
}

function readTokens(
  dataset: Dataset,
  tokenizer: Tokenizer,
  indices: Int32Array,
  which?: Int32Array,
): Required<Examples>['tokens'] {
  const { length } = tokenizer;
  const data = new Int32Array(indices.length * length);
  indices.forEach((i, k) => {
    const captions = dataset.captions!(i);
    const caption = captions[(which?.[k] ?? 0) % captions.length];
    const ids = tokenizer.encode(caption);
    if (ids.length !== length)
      throw new RangeError(`examples: the tokenizer made ${ids.length} tokens of "${caption}", expected ${length}`);
    data.set(ids, k * length);
  });
  return { data, item: [length] };
}

/** A copy of an image, each row from right to left. */
function mirror(bytes: Uint8Array, [, w, c]: readonly [h: number, w: number, c: number]): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < bytes.length; row += w * c) {
    for (let x = 0; x < w; x++) out.set(bytes.subarray(row + x * c, row + (x + 1) * c), row + (w - 1 - x) * c);
  }
  return out;
}
