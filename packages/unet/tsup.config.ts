import base from '../../tsup.base';

export default { ...base, entry: { index: 'src/index.ts', lucidrains: 'src/lucidrains/index.ts' } };
