import base from '../../tsup.base';

export default { ...base, entry: ['src/index.ts', 'src/worker.ts'], platform: 'node' as const };
