import { loadTorchTensors, toTorchTensors, zeroInit } from '@ddpm/layers';
import type { StoredValues, TensorValues } from '@ddpm/layers';
import type { AttentionLayer } from './attention';
import type { Vocabulary } from './names';
import { Places } from './names';
import { Transformer2d } from './transformer2d';
import { Unet2d } from './unet2d';
import { Unet2dCondition } from './unet2d-condition';
import type { Unet2dConfig } from './unet2d-config';

/**
 * diffusers' `UNet2DModel` with given weights.
 * @param config its `config.json`
 * @param tensors its weights, float32 by diffusers' names, in PyTorch's layout; attention's names of before 2023 are
 * read too
 * @throws RangeError that names the option and its value that is not carried; Error that names tensors that are
 * missing, unexpected or misshapen
 */
export const unet2dFromConfig = (
  config: Unet2dConfig,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): Unet2d => loaded(new Unet2d(config, { init: zeroInit }), tensors);

/**
 * diffusers' `UNet2DConditionModel` with given weights.
 * @param config its `config.json`
 * @param tensors its weights, float32 by diffusers' names, in PyTorch's layout
 * @throws RangeError that names the option and its value that is not carried; Error that names tensors that are
 * missing, unexpected or misshapen
 */
export const unet2dConditionFromConfig = (
  config: Unet2dConfig,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): Unet2dCondition => loaded(new Unet2dCondition(config, { init: zeroInit }), tensors);

function loaded<U extends Unet2d | Unet2dCondition>(
  unet: U,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): U {
  const names = unet2dNames(unet);
  const own = new Map([...tensors].map(([name, tensor]) => [today(name), tensor]));
  loadTorchTensors(unet, own, (path) => names.get(path)!);
  return unet;
}

/** The U-Net's weights as diffusers' `state_dict`, under today's names. */
export function toUnet2d(unet: Unet2d | Unet2dCondition): Promise<Map<string, TensorValues>> {
  const names = unet2dNames(unet);
  return toTorchTensors(unet, (path) => names.get(path)!);
}

/** The names of attention's layers before diffusers 0.15. */
const formerly: Readonly<Record<string, string>> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

const today = (name: string) =>
  name.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)\./,
    (_, place: string, old: string) => `${place}${formerly[old]}.`,
  );

const vocabulary: Vocabulary = {
  block: {
    norm1: 'norm1',
    conv1: 'conv1',
    emb: 'time_emb_proj',
    norm2: 'norm2',
    conv2: 'conv2',
    skip: 'conv_shortcut',
  },
  attention: {
    norm: 'group_norm',
    'attention.toQ': 'to_q',
    'attention.toK': 'to_k',
    'attention.toV': 'to_v',
    'attention.toOut': 'to_out.0',
  },
  down: 'conv',
  up: 'conv',
};

/** By our field's path in a `Transformer2d`, diffusers' name. */
const ofTransformer = { norm: 'norm', projIn: 'proj_in', projOut: 'proj_out' };
/** By our field's path in one of its blocks, diffusers' name. */
const ofBlock = {
  ...{ norm1: 'norm1', norm2: 'norm2', norm3: 'norm3', geglu: 'ff.net.0.proj', linear: 'ff.net.2' },
  ...{
    'attn1.toQ': 'attn1.to_q',
    'attn1.toK': 'attn1.to_k',
    'attn1.toV': 'attn1.to_v',
    'attn1.toOut': 'attn1.to_out.0',
  },
  ...{
    'attn2.toQ': 'attn2.to_q',
    'attn2.toK': 'attn2.to_k',
    'attn2.toV': 'attn2.to_v',
    'attn2.toOut': 'attn2.to_out.0',
  },
};

function addAttention(places: Places, ours: string, theirs: string, layer: AttentionLayer): void {
  if (!(layer instanceof Transformer2d)) return places.attention(ours, theirs);
  for (const [field, name] of Object.entries(ofTransformer)) places.add(`${ours}.${field}`, `${theirs}.${name}`);
  for (const k of layer.blocks.keys())
    for (const [field, name] of Object.entries(ofBlock))
      places.add(`${ours}.blocks.${k}.${field}`, `${theirs}.transformer_blocks.${k}.${name}`);
}

/** By our path, diffusers' name of every parameter of the U-Net. */
export function unet2dNames(unet: Unet2d | Unet2dCondition): Map<string, string> {
  const places = new Places(vocabulary);
  places.add('told.timeProj', 'time_proj');
  for (const [ours, theirs] of [
    ['told.time', 'time_embedding'],
    ['told.label', 'class_embedding'],
  ]) {
    places.add(ours, theirs);
    places.add(`${ours}.linear1`, `${theirs}.linear_1`);
    places.add(`${ours}.linear2`, `${theirs}.linear_2`);
  }
  places.add('encoder.inConv', 'conv_in');
  for (const [levels, ours, theirs, resampler] of [
    [unet.encoder.downs, 'encoder.downs', 'down_blocks', 'downsamplers'],
    [unet.ups, 'ups', 'up_blocks', 'upsamplers'],
  ] as const)
    levels.forEach((level, i) => {
      level.stages.forEach(({ attention }, j) => {
        places.block(`${ours}.${i}.stages.${j}.block`, `${theirs}.${i}.resnets.${j}`);
        if (attention)
          addAttention(places, `${ours}.${i}.stages.${j}.attention`, `${theirs}.${i}.attentions.${j}`, attention);
      });
      if (level.resampler) places.resampler(`${ours}.${i}.resampler`, `${theirs}.${i}.${resampler}.0`, level.resampler);
    });
  unet.encoder.middle.forEach(({ attention }, i) => {
    places.block(`encoder.middle.${i}.block`, `mid_block.resnets.${i}`);
    if (attention) addAttention(places, `encoder.middle.${i}.attention`, `mid_block.attentions.${i}`, attention);
  });
  places.add('outNorm', 'conv_norm_out');
  places.add('outConv', 'conv_out');
  return places.of(unet);
}
