import type { Batch } from '@ddpm/train';

/**
 * σ_data: the standard deviation of all values of the examples' images, about their mean, for `edm`.
 * @param batches with a field `image` in [−1, 1]; a few thousand examples tell two digits
 * @throws RangeError if they have no `image`, or its values are all the same
 */
export async function sigmaDataOf(batches: Iterable<Batch> | AsyncIterable<Batch>): Promise<number> {
  let [count, mean, squares] = [0, 0, 0];
  for await (const { image } of batches) {
    if (!image) throw new RangeError("sigmaDataOf: the examples need an 'image'");
    for (const value of image.data) {
      // Welford 1962.
      const difference = value - mean;
      mean += difference / ++count;
      squares += difference * (value - mean);
    }
  }
  const deviation = Math.sqrt(squares / count);
  if (!(deviation > 0))
    throw new RangeError(`sigmaDataOf: the images must differ; the deviation of ${count} values is ${deviation}`);
  return deviation;
}
