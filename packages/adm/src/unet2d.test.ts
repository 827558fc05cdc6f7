import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Unet2dConfig } from './index';
import { Unet2d, Unet2dCondition } from './index';

const small: Unet2dConfig = {
  _class_name: 'UNet2DModel',
  block_out_channels: [4, 8],
  norm_num_groups: 2,
  down_block_types: ['DownBlock2D', 'UNetResAttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
};

test.each<[string, Unet2dConfig]>([
  ['expected the config of a UNet2DModel, got that of "UNet2DConditionModel"', { _class_name: 'UNet2DConditionModel' }],
  ['there is no option cross_attention_dim (24)', { cross_attention_dim: 24 }],
  [
    'down_block_types "SkipDownBlock2D" is not carried, only "DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"',
    { down_block_types: ['DownBlock2D', 'SkipDownBlock2D'] },
  ],
  [
    'up_block_types "KUpBlock2D" is not carried, only "UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"',
    { up_block_types: ['KUpBlock2D', 'UpBlock2D'] },
  ],
  ['mid_block_type "UNetMidBlock2DCrossAttn" is not carried', { mid_block_type: 'UNetMidBlock2DCrossAttn' }],
  ['freq_shift 2 is not carried, only 0 and 1', { freq_shift: 2 }],
  ['downsample_padding 2 is not carried, only 0 and 1', { downsample_padding: 2 }],
  [
    'downsample_type "fir" is not carried',
    { downsample_type: 'fir', attention_head_dim: 4, down_block_types: ['AttnDownBlock2D', 'DownBlock2D'] },
  ],
  ['resnet_time_scale_shift "spatial" is not carried', { resnet_time_scale_shift: 'spatial' }],
  ['act_fn "tanh" is not carried, only "silu", "swish", "gelu", "relu", "mish"', { act_fn: 'tanh' }],
  ['time_embedding_type "random" is not carried', { time_embedding_type: 'random' }],
  ['time_embedding_type "learned" needs num_train_timesteps', { time_embedding_type: 'learned' }],
  ['class_embed_type "projection" is not carried', { class_embed_type: 'projection' }],
  ['norm_num_groups (3) must divide every width, but not so 4, 8', { norm_num_groups: 3 }],
  ['attention_head_dim (16) must be from 1 to the width of 8', { attention_head_dim: 16 }],
  ['attn_norm_num_groups (3) must divide the width of 8', { attn_norm_num_groups: 3 }],
  ['up_block_types names 1 levels, and block_out_channels 2; they must be as many', { up_block_types: ['UpBlock2D'] }],
  ['layers_per_block must be a whole number of at least 1, got 0', { layers_per_block: 0 }],
  ['norm_num_groups null makes no sense', { norm_num_groups: null }],
  ['flip_sin_to_cos "yes" makes no sense', { flip_sin_to_cos: 'yes' }],
])('a config is refused: %s', (message, config) => {
  expect(() => new Unet2d({ ...small, ...config })).toThrow(message);
});

test("the old names of block types, and the defaults of the class, make the network that today's make", () => {
  const unet = new Unet2d({ ...small, attention_head_dim: 4 });
  expect(unet.ups[0].stages).toHaveLength(3);
  expect(unet.encoder.downs.map(({ stages }) => stages.map(({ attention }) => attention !== undefined))).toEqual([
    [false, false],
    [true, true],
  ]);
});

const condition: Unet2dConfig = {
  ...{ block_out_channels: [4, 8], norm_num_groups: 2, cross_attention_dim: 6, attention_head_dim: 2 },
  down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
};

test.each<[string, Unet2dConfig]>([
  ['expected the config of a UNet2DConditionModel, got that of "UNet2DModel"', { _class_name: 'UNet2DModel' }],
  ['encoder_hid_dim_type "text_proj" is not carried, only null', { encoder_hid_dim_type: 'text_proj' }],
  ['addition_embed_type "text_time" is not carried, only null', { addition_embed_type: 'text_time' }],
  ['time_cond_proj_dim 256 is not carried, only null', { time_cond_proj_dim: 256 }],
  ['num_attention_heads 8 is not carried, only null', { num_attention_heads: 8 }],
  ['attention_type "gated" is not carried, only "default"', { attention_type: 'gated' }],
  ['cross_attention_dim [6,7] is not carried, only one for all levels', { cross_attention_dim: [6, 7] }],
  ['attention_head_dim (16), the number of heads, must be from 1 to the width of 4', { attention_head_dim: 16 }],
  ['layers_per_block names 3 levels, and block_out_channels 2; they must be as many', { layers_per_block: [1, 1, 1] }],
  ['transformer_layers_per_block [[1,1],1] must name as many', { transformer_layers_per_block: [[1, 1], 1] }],
  ['attention_head_dim "8" makes no sense', { attention_head_dim: '8' }],
  [
    'down_block_types "SimpleCrossAttnDownBlock2D" is not carried, only "DownBlock2D", "CrossAttnDownBlock2D"',
    { down_block_types: ['SimpleCrossAttnDownBlock2D', 'DownBlock2D'] },
  ],
])('a config with a context is refused: %s', (message, config) => {
  expect(() => new Unet2dCondition({ ...condition, ...config })).toThrow(message);
});

test('a context of another width is named, and a missing one', () => {
  const unet = new Unet2dCondition(condition);
  const [x, t] = [tf.zeros<tf.Rank.R4>([1, 4, 4, 4]), tf.zeros<tf.Rank.R1>([1])];
  expect(() => unet.apply(x, t, { context: tf.zeros([1, 3, 5]) })).toThrow(
    'expected context [n, positions, 6], got [1, 3, 5]',
  );
  expect(() => unet.apply(x, t)).toThrow('expected the conditions context, got none');
});
