import { extname } from 'node:path';
import { UsageError } from '@ddpm/app-common';
import { writeFileAtomic } from '@ddpm/checkpoint';
import { exportOnnx } from '@ddpm/compile';
import type { Model } from '@ddpm/models';
import { writeSafetensors } from '@ddpm/safetensors';
import { toTorchStateDict, Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { exportPipeline } from './export-pipeline';

/**
 * The denoiser: `x` [n, h, w, c] and `t` [n] float32 → what the parameterisation's name says; β, as JSON, and the rest
 * are metadata.
 * @param warn told why, where the network is tied to one image at a time
 */
function onnx(
  { denoiser: { network, levels, parameterisation, image } }: Model,
  warn: (line: string) => void,
): Uint8Array {
  if (network.conditions?.length)
    throw new Error(`a model that takes conditions (${network.conditions.join(', ')}) cannot be exported as ONNX`);
  const examples = [tf.zeros([1, ...image]), tf.zeros([1])];
  const write = (dynamicBatch: boolean) =>
    exportOnnx((x: tf.Tensor4D, t: tf.Tensor1D) => network.apply(x, t), examples, {
      inputNames: ['x', 't'],
      outputNames: [parameterisation.name],
      dynamicBatch,
      metadata: {
        parameterisation: parameterisation.name,
        levels: levels.kind,
        ...(levels.schedule && {
          timesteps: String(levels.schedule.timesteps),
          betas: JSON.stringify([...levels.schedule.betas]),
        }),
      },
    });
  try {
    return write(true);
  } catch (error) {
    // What is not a matter of the batch goes wrong here too, and says so.
    const bytes = write(false);
    warn(
      (error as Error).message.replace(/^exportOnnx: (.*); give dynamicBatch.*$/s, '$1; it takes one image at a time'),
    );
    return bytes;
  } finally {
    tf.dispose(examples);
  }
}

async function stateDict({ denoiser: { network }, description }: Model): Promise<Uint8Array> {
  if (!(network instanceof Unet))
    throw new Error(`only the U-Net of @ddpm/unet has a PyTorch state_dict; this is ${description}`);
  return writeSafetensors(await toTorchStateDict(network), { format: 'pt' });
}

const formats: Readonly<
  Record<string, (model: Model, warn: (line: string) => void) => Uint8Array | Promise<Uint8Array>>
> = {
  '.onnx': onnx,
  '.safetensors': stateDict,
};

/** @throws UsageError if the file's name does not tell a format that there is */
export function checkExportPath(file: string): void {
  if (extname(file) !== '' && !(extname(file) in formats))
    throw new UsageError(
      `--export must name a file ending in ${Object.keys(formats).join(' or ')}, or a new folder, got ${file}`,
    );
}

/**
 * Writes a model for others: as ONNX, or as a PyTorch state_dict of the tutorial's U-Net, by the file's ending, or as a
 * folder of diffusers.
 */
export async function exportModel(model: Model, file: string, warn: (line: string) => void): Promise<void> {
  if (extname(file) === '') return exportPipeline(model, file);
  const bytes = await formats[extname(file)](model, warn);
  await writeFileAtomic(file, bytes);
}
