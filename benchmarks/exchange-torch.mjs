// Exchanges weights with PyTorch and compares what the networks then compute: node exchange-torch.mjs [--python
// python3]
import { compile } from '@ddpm/compile';
import { Random } from '@ddpm/random';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { loadTorchStateDict, toTorchStateDict, Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: { python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' } },
});
const tolerance = 1e-5;
const cases = {
  'ConvNeXt, 1 channel': { dim: 28, dimMults: [1, 2, 4], channels: 1, useConvnext: true, resnetBlockGroups: 4 },
  'ConvNeXt, 3 channels': { dim: 24, dimMults: [1, 2], channels: 3, useConvnext: true, resnetBlockGroups: 4 },
  'ResNet, 1 channel': { dim: 28, dimMults: [1, 2, 4], channels: 1, useConvnext: false, resnetBlockGroups: 4 },
  'ResNet, 3 channels': { dim: 24, dimMults: [1, 2], channels: 3, useConvnext: false, resnetBlockGroups: 8 },
};

tf.enableProdMode();
await tf.setBackend('cpu');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-torch-'));
const at = (name) => join(folder, name);
/** Largest difference, as a share of the largest value where that is over 1. */
const difference = (a, b) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) /
  Math.max(1, ...b.map((value) => Math.abs(value)));
let worst = 0;
try {
  console.log("| U-Net | our weights in PyTorch | PyTorch's weights here |\n|---|---|---|");
  for (const [name, unetOptions] of Object.entries(cases)) {
    const unet = new Unet({ ...unetOptions, seed: 3 });
    const shape = [2, 28, 28, unetOptions.channels];
    const x = { shape, data: new Random(4).normals(tf.util.sizeFromShape(shape)) };
    const t = { shape: [2], data: Int32Array.of(3, 190) };
    writeFileSync(at('options.json'), JSON.stringify(unetOptions));
    writeFileSync(at('weights.safetensors'), writeSafetensors(await toTorchStateDict(unet)));
    writeFileSync(at('case.safetensors'), writeSafetensors(new Map(Object.entries({ x, t }))));
    const script = fileURLToPath(new URL('exchange_torch.py', import.meta.url));
    const files = ['options.json', 'weights.safetensors', 'case.safetensors', 'result.safetensors'].map(at);
    execFileSync(options.python, [script, ...files], { stdio: ['ignore', 'inherit', 'inherit'] });

    const { tensors } = readSafetensors(readFileSync(at('result.safetensors')));
    const [xt, steps] = [tf.tensor4d(x.data, shape), tf.tensor1d(t.data, 'int32')];
    const outputs = async () => {
      const compiled = await compile((image, step) => unet.apply(image, step), [xt, steps]);
      const values = await (await compiled(xt, steps)).data();
      await compiled.dispose();
      return values;
    };
    const there = difference(await outputs(), tensors.get('ours').data);
    const state = [...tensors]
      .filter(([key]) => key.startsWith('state/'))
      .map(([key, tensor]) => [key.slice('state/'.length), tensor]);
    loadTorchStateDict(unet, new Map(state));
    const back = difference(await outputs(), tensors.get('theirs').data);
    worst = Math.max(worst, there, back);
    console.log(`| ${name} | ${there.toExponential(1)} | ${back.toExponential(1)} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (!(worst < tolerance)) {
  console.error(`a difference of ${worst.toExponential(1)} is over ${tolerance}`);
  process.exit(1);
}
