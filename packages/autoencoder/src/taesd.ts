import type { TensorValues } from '@ddpm/layers';
import { loadTorchTensors } from '@ddpm/layers';
import { AutoencoderTiny } from './autoencoder-tiny';

/**
 * One of the TAESD family (Bohan 2023, https://github.com/madebyollin/taesd) from the state_dicts of its two files, such
 * as `taesd_encoder.pth` and `taesd_decoder.pth`.
 * @param encoder float32 values by the names of the encoder's `nn.Sequential`, in PyTorch's layout
 * @param decoder those of the decoder
 * @throws Error that names tensors that are missing, unexpected or misshapen
 */
export function autoencoderFromTaesd(
  encoder: ReadonlyMap<string, TensorValues>,
  decoder: ReadonlyMap<string, TensorValues>,
): AutoencoderTiny {
  const last = Math.max(...[...encoder.keys()].map((name) => Number(name.split('.')[0])));
  const { shape: [latentChannels] = [] } = encoder.get(`${last}.bias`) ?? { shape: [] };
  const { shape: [width, imageChannels] = [] } = encoder.get('0.weight') ?? { shape: [] };
  if (!latentChannels || !width || !imageChannels)
    throw new Error("autoencoderFromTaesd: these are no tensors of TAESD's encoder, whose first is 0.weight");
  const pool = [...encoder.keys()].some((name) => name.includes('.pool.'));
  const autoencoder = new AutoencoderTiny({ imageChannels, latentChannels, width, pool });
  loadTorchTensors(autoencoder, new Map([...layersOf('encoder', encoder, 0), ...layersOf('decoder', decoder, 1)]));
  return autoencoder;
}

/** Its decoder's first layer, which keeps latents between −3 and 3, has a number there, and none here. */
const layersOf = (half: string, tensors: ReadonlyMap<string, TensorValues>, skipped: number) =>
  [...tensors].map(([name, tensor]) => {
    const [layer, ...rest] = name.split('.');
    return [`${half}.layers.${[Number(layer) - skipped, ...rest].join('.')}`, tensor] as const;
  });
