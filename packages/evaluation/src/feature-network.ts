import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import type { Features } from '@ddpm/metrics';

/** A network whose features images are judged by. */
export interface FeatureNetwork {
  /** As it is shown. */
  readonly name: string;
  /** The beginning of the SHA-256 of its file: results by other features cannot be compared. */
  readonly hash: string;
  /**
   * Images as it takes them.
   * @throws RangeError in one line if it does not take such images
   */
  fit(images: Dataset): Dataset;
  /** The classes that its logits count, if it has some. */
  readonly classNames?: readonly string[];
  /**
   * The features of images, and their logits, if it has some.
   * @param images in [−1, 1], as `fit` gives them
   */
  run(
    images: Float32Array,
    shape: readonly [n: number, h: number, w: number, c: number],
  ): Promise<{ features: Float32Array; logits?: Float32Array }>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/** The features of images, and their logits where the network is a classifier. */
export interface Seen {
  /** [n, width]. */
  readonly features: Features;
  /** [n, classes], of a classifier. */
  readonly logits?: Float32Array;
}

/** Images that go through the network at a time. */
const BATCH = 100;

/**
 * The features that a network makes of images, and their logits where it is a classifier.
 * @param options.onProgress told how many are done
 * @throws RangeError in one line if there are none, or the network does not take such images
 */
export async function see(
  network: FeatureNetwork,
  images: Dataset,
  { onProgress }: { onProgress?: (done: number) => void } = {},
): Promise<Seen> {
  const given = network.fit(images);
  const { size } = given;
  if (size === 0) throw new RangeError('see: needs at least one image, got none');
  let features: Float32Array | undefined;
  let logits: Float32Array | undefined;
  for (let start = 0; start < size; start += BATCH) {
    const n = Math.min(BATCH, size - start);
    const { image } = await readExamples(
      given,
      Int32Array.from({ length: n }, (_, i) => start + i),
    );
    const result = await network.run(image.data, [n, ...image.item]);
    features ??= new Float32Array((result.features.length / n) * size);
    features.set(result.features, (features.length / size) * start);
    if (result.logits) {
      logits ??= new Float32Array((result.logits.length / n) * size);
      logits.set(result.logits, (logits.length / size) * start);
    }
    onProgress?.(start + n);
  }
  return { features: { data: features!, width: features!.length / size }, ...(logits && { logits }) };
}
