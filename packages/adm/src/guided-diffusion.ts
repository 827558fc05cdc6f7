import { loadTorchTensors, toTorchTensors, zeroInit } from '@ddpm/layers';
import type { TensorValues } from '@ddpm/layers';
import type { AdmOptions, AdmWeights } from './adm-unet';
import { AdmUnet } from './adm-unet';
import type { Pooling } from './classifier';
import { AdmClassifier, SpatialHead } from './classifier';
import type { Encoder } from './encoder';
import type { Vocabulary } from './names';
import { Places } from './names';

/** The arguments that guided-diffusion's models have in common, by its own names. */
export interface GuidedDiffusionOptions {
  /** Channels of the images. */
  in_channels: number;
  /** Width where the multiple is 1. */
  model_channels: number;
  /** Channels of the output, or of a classifier its classes. */
  out_channels: number;
  /** Residual blocks of a level. */
  num_res_blocks: number;
  /** By which factors the levels with attention are smaller than the first. */
  attention_resolutions: readonly number[];
  /** Each level's width; (1, 2, 4, 8) by default. */
  channel_mult?: readonly number[];
  /** True by default. */
  conv_resample?: boolean;
  /** 1 by default. */
  num_heads?: number;
  /** −1, the default, for none. */
  num_head_channels?: number;
  /** −1, the default, for num_heads; a classifier has no way up. */
  num_heads_upsample?: number;
  /** False by default. */
  use_scale_shift_norm?: boolean;
  /** False by default. */
  resblock_updown?: boolean;
  /** False by default. */
  use_new_attention_order?: boolean;
  /** Groups of the norms, which is no argument there, but 32. */
  groups?: number;
  /** Height and width of the images; only a classifier with `pool: 'attention'` needs it. */
  image_size?: number;
  /** 2 alone: images. */
  dims?: number;
  /** Of the U-Net in training; a classifier drops nothing here. 0 by default. */
  dropout?: number;
  /** Of no effect: it trades time for memory there, and computes the same. */
  use_checkpoint?: boolean;
  /** Of no effect: all is float32 here. */
  use_fp16?: boolean;
}

/** The arguments of guided-diffusion's `UNetModel`, and of improved-diffusion's. */
export interface GuidedDiffusionUnetOptions extends GuidedDiffusionOptions {
  /** Classes of the condition `label`; none by default. */
  num_classes?: number | null;
}

/** The arguments of guided-diffusion's `EncoderUNetModel`. */
export interface GuidedDiffusionClassifierOptions extends GuidedDiffusionOptions {
  /** `'adaptive'` by default. */
  pool?: Pooling;
}

/** Those arguments in our words. */
function admOptions(
  who: string,
  {
    in_channels,
    model_channels,
    out_channels: _out,
    num_res_blocks,
    attention_resolutions,
    channel_mult = [1, 2, 4, 8],
    conv_resample = true,
    num_heads = 1,
    num_head_channels = -1,
    num_heads_upsample: _upsample,
    use_scale_shift_norm = false,
    resblock_updown = false,
    use_new_attention_order = false,
    groups = 32,
    image_size: _size,
    dims = 2,
    dropout: _dropout,
    use_checkpoint: _checkpoint,
    use_fp16: _fp16,
    ...unknown
  }: GuidedDiffusionOptions,
): [AdmOptions, AdmWeights] {
  const [stranger] = Object.entries(unknown);
  if (stranger) throw new RangeError(`${who}: there is no option ${stranger[0]} (${String(stranger[1])})`);
  if (dims !== 2) throw new RangeError(`${who}: dims must be 2, for images, got ${dims}`);
  const options = {
    imageChannels: in_channels,
    modelChannels: model_channels,
    channelMult: channel_mult,
    numResBlocks: num_res_blocks,
    // Factors that no level has are without effect there.
    attentionResolutions: [...attention_resolutions].filter((factor) =>
      channel_mult.some((_, level) => 2 ** level === factor),
    ),
    convResample: conv_resample,
    numHeads: num_heads,
    ...(num_head_channels !== -1 && { numHeadChannels: num_head_channels }),
    useScaleShiftNorm: use_scale_shift_norm,
    resblockUpdown: resblock_updown,
    groups,
  };
  // What begins at 0 costs no draws.
  return [options, { init: zeroInit, withNoClass: false, headsFirst: !use_new_attention_order }];
}

/**
 * The U-Net of guided-diffusion, or of improved-diffusion, that a `state_dict` belongs to.
 * @param options the arguments of its `UNetModel`; with `num_classes`, it takes the condition `label`, [n] int32
 * @param tensors float32 values by PyTorch's names, in PyTorch's layout
 * @throws RangeError if the options do not fit together; Error that names tensors that are missing, unexpected or
 * misshapen
 */
export function admFromGuidedDiffusion(
  options: GuidedDiffusionUnetOptions,
  tensors: ReadonlyMap<string, TensorValues>,
): AdmUnet {
  const { num_classes, ...others } = options;
  const [common, weights] = admOptions('admFromGuidedDiffusion', others);
  const { out_channels, num_heads = 1, num_heads_upsample = -1, dropout = 0 } = options;
  const unet = new AdmUnet(
    {
      ...common,
      outChannels: out_channels,
      dropout,
      numHeadsUpsample: num_heads_upsample === -1 ? num_heads : num_heads_upsample,
      ...(typeof num_classes === 'number' && { numClasses: num_classes }),
    },
    weights,
  );
  return loaded(unet, tensors);
}

/**
 * The classifier of guided-diffusion that a `state_dict` belongs to.
 * @param options the arguments of its `EncoderUNetModel`
 * @param tensors float32 values by PyTorch's names, in PyTorch's layout
 * @throws RangeError if the options do not fit together; Error that names tensors that are missing, unexpected or
 * misshapen
 */
export function classifierFromGuidedDiffusion(
  options: GuidedDiffusionClassifierOptions,
  tensors: ReadonlyMap<string, TensorValues>,
): AdmClassifier {
  const { pool = 'adaptive', ...others } = options;
  const [common, weights] = admOptions('classifierFromGuidedDiffusion', others);
  const { out_channels, image_size } = options;
  return loaded(
    new AdmClassifier({ ...common, numClasses: out_channels, pool, imageSize: image_size }, weights),
    tensors,
  );
}

function loaded<Network extends AdmUnet | AdmClassifier>(
  network: Network,
  tensors: ReadonlyMap<string, TensorValues>,
): Network {
  const names = guidedDiffusionNames(network);
  loadTorchTensors(network, tensors, (path) => names.get(path)!);
  return network;
}

/** A network's weights as guided-diffusion's `state_dict`: what it is loaded from, to the bit. */
export function toGuidedDiffusion(network: AdmUnet | AdmClassifier): Promise<Map<string, TensorValues>> {
  const names = guidedDiffusionNames(network);
  return toTorchTensors(network, (path) => names.get(path)!);
}

const vocabulary: Vocabulary = {
  block: {
    norm1: 'in_layers.0',
    conv1: 'in_layers.2',
    emb: 'emb_layers.1',
    norm2: 'out_layers.0',
    conv2: 'out_layers.3',
    skip: 'skip_connection',
  },
  attention: { norm: 'norm', qkv: 'qkv', contextKv: 'encoder_kv', projOut: 'proj_out' },
  down: 'op',
  up: 'conv',
};

/** By our path, guided-diffusion's name of every parameter of a network; a context has names of its own. */
export function guidedDiffusionNames(network: AdmUnet | AdmClassifier): Map<string, string> {
  const places = new Places(vocabulary);
  places.add('told.time.linear1', 'time_embed.0');
  places.add('told.time.linear2', 'time_embed.2');
  places.add('told.label', 'label_emb');
  encoderPlaces(places, network.encoder);
  if (network instanceof AdmUnet) {
    let index = 0;
    network.ups.forEach(({ stages, resampler }, level) => {
      stages.forEach(({ attention }, i) => {
        const [ours, theirs] = [`ups.${level}.stages.${i}`, `output_blocks.${index++}`];
        places.block(`${ours}.block`, `${theirs}.0`);
        places.attention(`${ours}.attention`, `${theirs}.1`);
        // What leads to the next level is a part of the last block.
        if (resampler && i === stages.length - 1)
          places.resampler(`ups.${level}.resampler`, `${theirs}.${attention ? 2 : 1}`, resampler);
      });
    });
    places.add('outNorm', 'out.0');
    places.add('outConv', 'out.2');
  } else {
    const { head } = network;
    const spatial = head instanceof SpatialHead;
    places.add('head.norm', spatial ? 'out.1' : 'out.0');
    places.add('head.out', 'out.3');
    places.add('head.pool.positionalEmbedding', 'out.2.positional_embedding');
    places.add('head.pool.qkv', 'out.2.qkv_proj');
    places.add('head.pool.out', 'out.2.c_proj');
    places.add('head.linear1', 'out.0');
    places.add('head.linear2', spatial && head.norm ? 'out.3' : 'out.2');
  }
  return places.of({ ...network, context: undefined });
}

function encoderPlaces(places: Places, { downs }: Encoder): void {
  places.add('encoder.inConv', 'input_blocks.0.0');
  let index = 1;
  downs.forEach(({ stages, resampler }, level) => {
    stages.forEach((_, i) => {
      const [ours, theirs] = [`encoder.downs.${level}.stages.${i}`, `input_blocks.${index++}`];
      places.block(`${ours}.block`, `${theirs}.0`);
      places.attention(`${ours}.attention`, `${theirs}.1`);
    });
    if (resampler) places.resampler(`encoder.downs.${level}.resampler`, `input_blocks.${index++}.0`, resampler);
  });
  places.block('encoder.middle.0.block', 'middle_block.0');
  places.attention('encoder.middle.0.attention', 'middle_block.1');
  places.block('encoder.middle.1.block', 'middle_block.2');
}
