import base from '../../tsup.base';

// Bytes and the PNG reader come from @ddpm/images, without the plots that this package has no use for.
export default {
  ...base,
  entry: ['src/index.ts', 'src/browser.ts'],
  noExternal: ['@ddpm/images'],
};
