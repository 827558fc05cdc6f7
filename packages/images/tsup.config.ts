import base from '../../tsup.base';

export default {
  ...base,
  entry: ['src/index.ts', 'src/apng.ts', 'src/gif.ts', 'src/png.ts', 'src/plot.ts'],
};
