import type { AdmUnetOptions, Context } from '@ddpm/adm';
import { AdmUnet, guidedDiffusionNames } from '@ddpm/adm';
import type { TensorValues } from '@ddpm/layers';
import { loadTorchTensors } from '@ddpm/layers';
import { TextTransformer, loadGlideText } from '@ddpm/text';
import type * as tf from '@tensorflow/tfjs-core';

/** Sizes of the text transformer. */
export interface GlideTextOptions {
  /** How many ids there are. */
  vocabularySize: number;
  /** Tokens of a caption, padding included. */
  length: number;
  /** Features of each position; 128 by default. */
  textWidth?: number;
  /** How many blocks; 3 by default. */
  textLayers?: number;
  /** Heads of each block's attention; 4 by default. */
  textHeads?: number;
}

/** Options of a GLIDE U-Net: those of an `AdmUnet`, and those of its text transformer. */
export type GlideOptions = Omit<AdmUnetOptions, 'context' | 'numClasses'> & GlideTextOptions;

/** A caption as the U-Net is told it. */
class Caption implements Context {
  readonly text: TextTransformer;
  readonly conditions = ['tokens'];
  readonly width: number;

  constructor(text: TextTransformer) {
    this.text = text;
    this.width = text.width;
  }

  apply({ tokens }: Readonly<Record<string, tf.Tensor>>) {
    return this.text.apply(tokens as tf.Tensor2D);
  }
}

/**
 * The U-Net of GLIDE (Nichol et al. 2021, §3): ADM's, told a caption by a text transformer that is trained with it. The
 * vector of its last position is added to the time embedding, and its sequence stands before the keys and values of every
 * attention. Its condition is `tokens`, [n, length] int32.
 * @throws RangeError if the options do not fit together; the message names the numbers.
 */
export function glideUnet({
  vocabularySize,
  length,
  textWidth = 128,
  textLayers = 3,
  textHeads = 4,
  ...options
}: GlideOptions): AdmUnet {
  const text = new TextTransformer({
    ...{ vocabularySize, length, width: textWidth, layers: textLayers, heads: textHeads },
    ...{ outFeatures: 4 * options.modelChannels, padding: 'learned', pool: 'last', seed: options.seed },
  });
  return new AdmUnet({ ...options, context: new Caption(text) }, { headsFirst: true });
}

/**
 * Gives a GLIDE U-Net the weights of glide-text2im's `Text2ImUNet`, whose heads have their q, k and v together.
 * @param tensors its `state_dict`, float32 in PyTorch's layout
 * @throws Error that names tensors that are missing, unexpected or misshapen.
 */
export function loadGlide(unet: AdmUnet, tensors: ReadonlyMap<string, TensorValues>): void {
  if (!(unet.context instanceof Caption)) throw new RangeError('loadGlide: expected a U-Net that glideUnet made');
  const names = guidedDiffusionNames(unet);
  const own = loadGlideText(unet.context.text, tensors);
  loadTorchTensors({ ...unet, context: undefined }, own, (path) => names.get(path)!);
}
