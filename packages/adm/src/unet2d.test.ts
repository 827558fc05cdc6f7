import { expect, test } from '@jest/globals';
import type { Unet2dConfig } from './index';
import { Unet2d } from './index';

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
