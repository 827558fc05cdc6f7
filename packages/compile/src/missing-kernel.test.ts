import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { composed } from './lower/composed';
import { lowerings } from './kernels';
import { missingKernel } from './missing-kernel';

/** Every kernel that tfjs knows: it exports each one's name under that name. */
const kernels = Object.entries(tf).flatMap(([key, value]) =>
  key === (value as unknown) || `_${key}` === (value as unknown) ? [value as string] : [],
);
const missing = kernels.filter((kernel) => !(kernel in lowerings) && !(kernel in composed));

/** Which function of tfjs runs each, from its sources: the files below ops/ and gradients/ that name the kernel. */
const users: Record<string, string | undefined> = {
  AvgPool3D: 'tf.avgPool3d',
  AvgPool3DGrad: 'the gradient of tf.avgPool3d',
  Bincount: 'tf.bincount',
  BitwiseAnd: 'tf.bitwiseAnd',
  BroadcastArgs: 'tf.broadcastArgs',
  Complex: 'tf.complex',
  ComplexAbs: 'tf.abs',
  Conv3D: 'tf.conv3d',
  Conv3DBackpropFilterV2: 'the gradient of tf.conv3d',
  Conv3DBackpropInputV2: 'the gradient of tf.conv3d',
  CropAndResize: 'tf.image.cropAndResize',
  DenseBincount: 'tf.denseBincount',
  Diag: 'tf.diag',
  Dilation2D: 'tf.dilation2d',
  Dilation2DBackpropFilter: 'the gradient of tf.dilation2d',
  Dilation2DBackpropInput: 'the gradient of tf.dilation2d',
  Draw: 'tf.browser.draw',
  FFT: 'tf.fft',
  FlipLeftRight: 'tf.image.flipLeftRight',
  FromPixels: 'tf.browser.fromPixels',
  IFFT: 'tf.ifft',
  Imag: 'tf.imag',
  LowerBound: 'tf.lowerBound',
  MaxPool3D: 'tf.maxPool3d',
  MaxPool3DGrad: 'the gradient of tf.maxPool3d',
  MaxPoolWithArgmax: 'tf.maxPoolWithArgmax',
  Multinomial: 'tf.multinomial',
  NonMaxSuppressionV3: 'tf.image.nonMaxSuppression',
  NonMaxSuppressionV4: 'tf.image.nonMaxSuppressionPadded',
  NonMaxSuppressionV5: 'tf.image.nonMaxSuppressionWithScore',
  Pool: 'tf.pool',
  RaggedGather: 'tf.raggedGather',
  RaggedRange: 'tf.raggedRange',
  RaggedTensorToTensor: 'tf.raggedTensorToTensor',
  Real: 'tf.real',
  ResizeBilinearGrad: 'the gradient of tf.image.resizeBilinear',
  ResizeNearestNeighborGrad: 'the gradient of tf.image.resizeNearestNeighbor',
  RotateWithOffset: 'tf.image.rotateWithOffset',
  SearchSorted: 'tf.searchSorted',
  SparseFillEmptyRows: 'tf.sparse.sparseFillEmptyRows',
  SparseReshape: 'tf.sparse.sparseReshape',
  SparseSegmentMean: 'tf.sparse.sparseSegmentMean',
  SparseSegmentSum: 'tf.sparse.sparseSegmentSum',
  SparseToDense: 'tf.sparseToDense',
  StaticRegexReplace: 'tf.string.staticRegexReplace',
  StringNGrams: 'tf.string.stringNGrams',
  StringSplit: 'tf.string.stringSplit',
  StringToHashBucketFast: 'tf.string.stringToHashBucketFast',
  TensorScatterUpdate: 'tf.tensorScatterUpdate',
  Transform: 'tf.image.transform',
  Unique: 'tf.unique',
  UpperBound: 'tf.upperBound',
};

describe('what has no lowering', () => {
  test('is all in the list', () => expect(missing.length).toBeGreaterThan(40));
  test.each(missing)('%s is called by its own name', (kernel) => {
    const named = /; do without (.*) in this function, or run it/.exec(missingKernel(kernel))?.[1];
    expect(named).toBe(users[kernel]);
    const path = /tf\.(.*)/.exec(named ?? '')?.[1].split('.') ?? [];
    const found = path.reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], tf);
    if (named) expect(typeof found).toBe('function');
  });
  test('is left to backends that have it', () => {
    expect(missingKernel('Conv3D')).toMatch(
      /^compile: no lowering for the kernel Conv3D; do without tf.conv3d in .*, as cpu has$/,
    );
    expect(missingKernel('Einsum2')).toBe(
      'compile: no lowering for the kernel Einsum2; run it on an eager backend that has the kernel, as none that is loaded has',
    );
  });
});
