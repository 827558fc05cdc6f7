import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fashionMnistWeights } from '@ddpm/classifier';
import type { Execution } from '@ddpm/execution';
import { classifierFeatures } from './classifier-features';
import type { FeatureNetwork } from './feature-network';
import type { OnnxFeaturesOptions } from './onnx-features';
import { onnxFeatures } from './onnx-features';
import { pixelFeatures } from './pixel-features';

/** The features that come with the packages, by name: the file of each. */
const shipped: Readonly<Record<string, URL>> = { 'fashion-mnist': fashionMnistWeights };

/** The features that are the images' own values. */
const PIXELS = 'pixels';
/** The names that `openFeatures` knows. */
export const featureNames: readonly string[] = [...Object.keys(shipped), PIXELS];

/**
 * The features that images are judged by where nobody says: of Fashion-MNIST's classifier if they are like its own,
 * pixels otherwise.
 */
export const defaultFeatures = (shape: readonly [h: number, w: number, c: number]): string =>
  shape.join() === '28,28,1' ? 'fashion-mnist' : PIXELS;

/**
 * Features by name; of a classifier, by its run folder or checkpoint; or of an ONNX file (`.onnx`).
 * @param options.onnx what an ONNX file does not say
 * @throws Error in one line if they cannot be used
 */
export async function openFeatures(
  name: string,
  execution: Execution,
  { onnx }: { onnx?: OnnxFeaturesOptions } = {},
): Promise<FeatureNetwork> {
  if (Object.hasOwn(shipped, name)) return classifierFeatures(fileURLToPath(shipped[name]), execution, { name });
  if (name === PIXELS) return pixelFeatures();
  if (extname(name).toLowerCase() === '.onnx') return onnxFeatures(name, onnx);
  return classifierFeatures(name, execution);
}
