import base from '../../tsup.base';

export default { ...base, entry: ['src/cli.ts'], platform: 'node', dts: false, noExternal: ['@ddpm/app-common'] };
