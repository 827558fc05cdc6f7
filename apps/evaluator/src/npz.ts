import type { Dataset } from '@ddpm/datasets';
import { arrayDataset } from '@ddpm/datasets';
import { toBytes } from '@ddpm/images';
import { unzipSync } from 'fflate';

/** A NumPy array of a type that is read. */
interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array | Float32Array | Float64Array | Int32Array | BigInt64Array;
}

/** The arrays' names: ours, and those that `numpy.savez(path, images, labels)` gives, as guided-diffusion's files have. */
const IMAGES = ['images', 'arr_0'];
const LABELS = ['labels', 'arr_1'];

/**
 * The images of an npz file: [n, h, w, c] or [n, h, w], bytes, or floats in [−1, 1]; and their labels [n], if it has
 * some.
 * @throws Error in one line that says what is wrong with it
 */
export function decodeNpz(bytes: Uint8Array): Dataset {
  let files: Readonly<Record<string, Uint8Array>>;
  try {
    files = unzipSync(bytes);
  } catch {
    throw new Error('it is no npz file');
  }
  const find = (names: readonly string[]) => {
    const name = names.find((one) => Object.hasOwn(files, `${one}.npy`));
    return name === undefined ? undefined : { name, array: decodeNpy(name, files[`${name}.npy`]) };
  };
  const images = find(IMAGES);
  if (!images)
    throw new Error(
      `it should have an array ${IMAGES.join(' or ')}, but has ${Object.keys(files).join(', ').slice(0, 200) || 'none'}`,
    );
  const { name, array } = images;
  const { shape, values } = array;
  const [, h, w, c = 1] = shape;
  if (![3, 4].includes(shape.length) || ![1, 3, 4].includes(c))
    throw new Error(
      `its ${name} should be [n, h, w] or [n, h, w, c] with 1, 3 or 4 channels, but is [${shape.join(', ')}]`,
    );
  const isBytes = values[Symbol.toStringTag] === 'Uint8Array';
  if (!isBytes && !['Float32Array', 'Float64Array'].includes(values[Symbol.toStringTag]))
    throw new Error(`its ${name} should be uint8 or floats in [−1, 1], not integers`);
  const outside = isBytes ? -1 : (values as Float32Array).findIndex((value) => !(value >= -1.5 && value <= 1.5));
  if (outside >= 0)
    throw new Error(`its ${name} should be uint8 or floats in [−1, 1], but has ${Number(values[outside])}`);
  const labels = find(LABELS);
  const numbers = labels && Array.from(labels.array.values, Number);
  if (labels && (labels.array.shape.length !== 1 || numbers!.length !== shape[0]))
    throw new Error(`its ${labels.name} should be [${shape[0]}], but is [${labels.array.shape.join(', ')}]`);
  return arrayDataset({
    pixels: isBytes ? (values as Uint8Array) : toBytes(values as Float32Array),
    shape: [h, w, c],
    ...(numbers && { labels: numbers }),
  });
}

const readers: Readonly<Record<string, (buffer: ArrayBuffer) => NpyArray['values']>> = {
  '|u1': (buffer) => new Uint8Array(buffer),
  '<f4': (buffer) => new Float32Array(buffer),
  '<f8': (buffer) => new Float64Array(buffer),
  '<i4': (buffer) => new Int32Array(buffer),
  '<i8': (buffer) => new BigInt64Array(buffer),
};

/** One array in the NPY format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
function decodeNpy(name: string, bytes: Uint8Array): NpyArray {
  const fail = (what: string): never => {
    throw new Error(`its array ${name} ${what}`);
  };
  const latin1 = new TextDecoder('latin1');
  if (bytes.length < 12 || latin1.decode(bytes.subarray(0, 6)) !== '\x93NUMPY') fail('is not in the NPY format');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = bytes[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  const header = latin1.decode(bytes.subarray(10, start));
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1] ?? '';
  const tuple = /'shape': *\(([^)]*)\)/.exec(header)?.[1];
  if (tuple === undefined || !/'fortran_order': *False/.test(header)) fail('is not row-major');
  const shape = tuple!.split(',').flatMap((text) => (text.trim() === '' ? [] : Number(text)));
  if (!Object.hasOwn(readers, descr)) fail(`is of dtype ${descr}; known are ${Object.keys(readers).join(', ')}`);
  const each = Number(descr.at(-1));
  const length = shape.reduce((product, size) => product * size, each);
  if (length !== bytes.length - start) fail(`has ${bytes.length - start} bytes, but its shape needs ${length}`);
  return { shape, values: readers[descr](bytes.slice(start).buffer) };
}
