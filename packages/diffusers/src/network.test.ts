import type { Unet2d } from '@ddpm/adm';
import { expect, test } from '@jest/globals';
import createNetwork from './index';

test('a network of a config has the channels that are asked for, or else its own', () => {
  const config = {
    ...{ sample_size: 8, block_out_channels: [8], layers_per_block: 1, norm_num_groups: 2 },
    ...{ down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
  };
  const channelsOf = (network: unknown) => (network as Unet2d).encoder.inConv.weight.shape[2];
  expect(channelsOf(createNetwork({ config }))).toBe(3);
  expect(channelsOf(createNetwork({ config, channels: 1 }))).toBe(1);
  expect(() => createNetwork({ config: { ...config, in_channels: 3 }, channels: 1 })).toThrow(
    "the config's in_channels is 3, and it should be 1 here",
  );
});
