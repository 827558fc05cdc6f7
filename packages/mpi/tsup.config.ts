import base from '../../tsup.base';

export default { ...base, platform: 'node' };
