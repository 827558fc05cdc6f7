import base from '../../tsup.base';

export default { ...base, entry: ['src/cli.ts'], dts: false };
