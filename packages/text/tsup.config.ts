import base from '../../tsup.base';

export default { ...base, entry: { index: 'src/index.ts', 'diffusion-prior': 'src/diffusion-prior-network.ts' } };
