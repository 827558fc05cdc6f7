import base from '../../tsup.base';

export default { ...base, entry: { index: 'src/index.ts', worker: 'src/run/worker.ts' }, platform: 'node' as const };
