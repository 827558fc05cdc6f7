import base from '../../tsup.base';

export default { ...base, entry: { index: 'src/index.ts', classifier: 'src/classifier-network.ts' } };
