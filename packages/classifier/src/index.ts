import type { ClassifierOptions } from './classifier';
import { Classifier } from './classifier';

export { Classifier } from './classifier';
export type { ClassifierLevel, ClassifierOptions } from './classifier';
export { classifying } from './classifying';
export type { ClassifyingOptions } from './classifying';

/**
 * The file of a classifier of Fashion-MNIST, a checkpoint as safetensors: to be read by `@ddpm/checkpoint` in Node, or
 * fetched by a page.
 */
export const fashionMnistWeights: URL = new URL('../weights/fashion-mnist.safetensors', import.meta.url);

/**
 * A network package's default export makes its network from options: `ddpm-train --task classifier` trains this one.
 */
export default (options: ClassifierOptions): Classifier => new Classifier(options);
