import type { TensorValues } from '@ddpm/layers';

/**
 * The rows of one matrix [3·width, …] for queries, keys and values, in which each head has its q, k and v together, as
 * three matrices [width, …].
 */
export function splitQkv({ shape: [rows, ...rest], data }: TensorValues, heads: number): TensorValues[] {
  const row = data.length / rows;
  const perHead = rows / 3 / heads;
  return [0, 1, 2].map((part) => {
    const values = new Float32Array(data.length / 3);
    for (let head = 0; head < heads; head++) {
      const from = (3 * head + part) * perHead * row;
      values.set(data.subarray(from, from + perHead * row), head * perHead * row);
    }
    return { shape: [rows / 3, ...rest], data: values };
  });
}
