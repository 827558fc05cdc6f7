// Trains the model that is shipped in weights/, and writes it there: twenty minutes or so on two idle cores. The packages
// must be built.
//   node scripts/train.mjs [run folder]    with a run folder, writes the weights of a run that was trained before
import { fileURLToPath } from 'node:url';
import { shipWeights } from '../../../scripts/ship-weights.mjs';

const path = fileURLToPath(new URL('../weights/checkpoint.safetensors', import.meta.url));
await shipWeights({ run: process.argv[2], args: ['--preset', 'pixel-art'], path, dtype: 'F16' });
