import type { Target } from './graph';
import { Graph } from './graph';
import { blockedConv, blockedDepthwise, blockedDepthwiseFilter } from './lower/conv/blocked';
import { blockedFilterGradient } from './lower/conv/blocked-filter-gradient';
import type { Axis, Geometry } from './lower/conv/geometry';
import { winogradConv } from './lower/conv/winograd';
import { writeModel } from './onnx';
import { openSession } from './run/ort';
import { ortTensor } from './run/session';

/** The portable path: what every build of ORT computes. */
export const portable: Target = { contrib: true, block: 0 };

/** The portable path for a GPU: WebGPU promises room for eight buffers, one of which is a node's input. */
export const portableOnDevice: Target = { ...portable, results: 7 };

const axis = (size: number, kernel: number): Axis => ({
  size,
  out: size,
  kernel,
  stride: 1,
  dilation: 1,
  before: (kernel - 1) / 2,
});
const geometry = (inChannels: number, outChannels: number): Geometry => ({
  n: 2,
  height: axis(5, 3),
  width: axis(6, 3),
  inChannels,
  outChannels,
});

/** Numbers without a pattern that a wrong layout could hide behind. */
const numbers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233));

/**
 * The definition of all of them: each product of an input, a filter element and an output of a convolution, given to
 * `visit`.
 */
function products(g: Geometry, visit: (image: number, pixel: number, tap: number, output: number) => void): void {
  const { height, width, n } = g;
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < height.out; y++) {
      for (let x = 0; x < width.out; x++) {
        for (let ky = 0; ky < height.kernel; ky++) {
          for (let kx = 0; kx < width.kernel; kx++) {
            const [fromY, fromX] = [y + ky - height.before, x + kx - width.before];
            if (fromY < 0 || fromY >= height.size || fromX < 0 || fromX >= width.size) continue;
            visit(
              image,
              (image * height.size + fromY) * width.size + fromX,
              ky * width.kernel + kx,
              (image * height.out + y) * width.out + x,
            );
          }
        }
      }
    }
  }
}

function reference(g: Geometry, x: Float32Array, filter: Float32Array): Float32Array {
  const { inChannels: ci, outChannels: co } = g;
  const y = new Float32Array(g.n * g.height.out * g.width.out * co);
  products(g, (_, pixel, tap, output) => {
    for (let i = 0; i < ci; i++)
      for (let o = 0; o < co; o++) y[output * co + o] += x[pixel * ci + i] * filter[(tap * ci + i) * co + o];
  });
  return y;
}

function referenceGradient(g: Geometry, x: Float32Array, dy: Float32Array): Float32Array {
  const { inChannels: ci, outChannels: co } = g;
  const gradient = new Float32Array(g.height.kernel * g.width.kernel * ci * co);
  products(g, (_, pixel, tap, output) => {
    for (let i = 0; i < ci; i++)
      for (let o = 0; o < co; o++) gradient[(tap * ci + i) * co + o] += x[pixel * ci + i] * dy[output * co + o];
  });
  return gradient;
}

const close = (actual: ArrayLike<number>, expected: Float32Array) =>
  actual.length === expected.length && expected.every((value, i) => Math.abs(value - actual[i]) < 1e-4);

/** Runs the blocked operators at a block size, and says whether what they compute is right. */
async function computes(block: number): Promise<boolean> {
  const graph = new Graph({ contrib: true, block });
  const size = 2 * 5 * 6;
  const [wide, narrow, each] = [geometry(20, 36), geometry(3, 20), { ...geometry(20, 20) }];
  const data = {
    x: { values: numbers(size * 20, 1), shape: [2, 5, 6, 20] },
    thin: { values: numbers(size * 3, 2), shape: [2, 5, 6, 3] },
    dy: { values: numbers(size * 20, 3), shape: [2, 5, 6, 20] },
    wideFilter: { values: numbers(9 * 20 * 36, 4), shape: [3, 3, 20, 36] },
    narrowFilter: { values: numbers(9 * 3 * 20, 5), shape: [3, 3, 3, 20] },
    eachFilter: { values: numbers(9 * 20, 6), shape: [3, 3, 20] },
  };
  const port = (name: keyof typeof data) => ({ name, value: graph.input(name, data[name].shape, 'float32') });
  const inputs = (Object.keys(data) as (keyof typeof data)[]).map(port);
  const [x, thin, dy, wideFilter, narrowFilter, eachFilter] = inputs.map(({ value }) => value);
  const outputs = [
    { name: 'wide', value: blockedConv(x, wideFilter, wide) },
    { name: 'tiled', value: winogradConv(x, wideFilter, wide) },
    { name: 'narrow', value: blockedConv(thin, narrowFilter, narrow) },
    { name: 'each', value: blockedDepthwise(x, eachFilter, each) },
    { name: 'eachGradient', value: blockedDepthwiseFilter(x, dy, each) },
    { name: 'filterGradient', value: blockedFilterGradient(thin, dy, narrow) },
  ];
  const expectedWide = reference(wide, data.x.values, data.wideFilter.values);
  const expectedEach = new Float32Array(size * 20);
  const expectedGradient = new Float32Array(9 * 20);
  products(each, (_, pixel, tap, output) => {
    for (let c = 0; c < 20; c++) {
      expectedEach[output * 20 + c] += data.x.values[pixel * 20 + c] * data.eachFilter.values[tap * 20 + c];
      expectedGradient[tap * 20 + c] += data.x.values[pixel * 20 + c] * data.dy.values[output * 20 + c];
    }
  });
  try {
    const session = await openSession(writeModel(inputs, outputs), { threads: 1, optimization: 'disabled' });
    try {
      const feeds = Object.fromEntries(
        Object.entries(data).map(([name, { values, shape }]) => [name, ortTensor(values, shape, 'float32')]),
      );
      const results = await session.run(feeds);
      return (
        close(results.wide.data as Float32Array, expectedWide) &&
        close(results.tiled.data as Float32Array, expectedWide) &&
        close(results.narrow.data as Float32Array, reference(narrow, data.thin.values, data.narrowFilter.values)) &&
        close(results.each.data as Float32Array, expectedEach) &&
        close(results.eachGradient.data as Float32Array, expectedGradient) &&
        close(results.filterGradient.data as Float32Array, referenceGradient(narrow, data.thin.values, data.dy.values))
      );
    } finally {
      await session.release();
    }
  } catch {
    // This ORT has no such operators, or not at this block size.
    return false;
  }
}

let tested: Promise<Target> | undefined;

/** The fastest target that computes right numbers on this machine; found out once. */
export function fastTarget(): Promise<Target> {
  tested ??= (async () => {
    for (const block of [16, 8]) if (await computes(block)) return { contrib: true, block };
    return portable;
  })();
  return tested;
}
