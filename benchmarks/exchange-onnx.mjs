// Exports networks as ONNX, runs them elsewhere, and compares with what is computed here: node exchange-onnx.mjs
// [--python python3] [--no-python]
import { exportOnnx } from '@ddpm/compile';
import { Random } from '@ddpm/random';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    'no-python': { type: 'boolean', default: false },
  },
});
const tolerance = 1e-5;
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const runtimes = {
  'onnxruntime-web': [process.execPath, script('run-onnx-web.mjs')],
  ...(!options['no-python'] && { "Python's onnxruntime": [options.python, script('run_onnx.py')] }),
};
const cases = [
  ['ConvNeXt', { dim: 16, dimMults: [1, 2], channels: 1 }, [12, 8]],
  ['ResNet', { dim: 16, dimMults: [1, 2], channels: 3, useConvnext: false, resnetBlockGroups: 4 }, [8, 8]],
];

tf.enableProdMode();
await tf.setBackend('cpu');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-onnx-'));
const at = (name) => join(folder, name);
let worst = 0;
try {
  console.log(
    `| U-Net | batch | ${Object.keys(runtimes).join(' | ')} |\n|---|---|${Object.keys(runtimes)
      .map(() => '---|')
      .join('')}`,
  );
  for (const [name, unetOptions, size] of cases) {
    const unet = new Unet({ ...unetOptions, seed: 3 });
    const shapeOf = (n) => [n, ...size, unetOptions.channels];
    const model = exportOnnx((xt, t) => unet.apply(xt, t), [tf.zeros(shapeOf(1)), tf.zeros([1], 'int32')], {
      inputNames: ['xt', 't'],
      outputNames: ['epsilon'],
    });
    writeFileSync(at('model.onnx'), model);
    for (const n of [1, 3]) {
      const xt = { shape: shapeOf(n), data: new Random(n).normals(tf.util.sizeFromShape(shapeOf(n))) };
      const t = { shape: [n], data: Int32Array.from({ length: n }, (_, i) => 90 * i + 3) };
      writeFileSync(at('case.safetensors'), writeSafetensors(new Map(Object.entries({ xt, t }))));
      const expected = unet.apply(tf.tensor4d(xt.data, xt.shape), tf.tensor1d(t.data, 'int32')).dataSync();
      const scale = Math.max(1, ...expected.map(Math.abs));
      const differences = Object.values(runtimes).map(([command, ...args]) => {
        execFileSync(command, [...args, ...['model.onnx', 'case.safetensors', 'result.safetensors'].map(at)], {
          stdio: 'inherit',
        });
        const { shape, data } = readSafetensors(readFileSync(at('result.safetensors'))).tensors.get('epsilon');
        if (shape.join() !== xt.shape.join())
          throw new Error(`expected an output of ${xt.shape.join('×')}, got ${shape.join('×')}`);
        return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i])), 0) / scale;
      });
      worst = Math.max(worst, ...differences);
      console.log(`| ${name} | ${n} | ${differences.map((difference) => difference.toExponential(1)).join(' | ')} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (!(worst < tolerance)) {
  console.error(`a difference of ${worst.toExponential(1)} is over ${tolerance}`);
  process.exit(1);
}
