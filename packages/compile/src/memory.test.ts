import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

/** Megabytes that 80 steps add to a process that has taken 20 already; each step's gradients and inputs are 3 MB. */
function growth(batch: number, microBatch: number): number {
  const code = `
    import { compileGradients } from './dist/index.js';
    import * as tf from '@tensorflow/tfjs';
    await tf.setBackend('cpu');
    const w = tf.variable(tf.fill([512, 1024], 0.01));
    const loss = (x) => tf.mean(tf.square(tf.matMul(x, w)), 1);
    const parameters = new Map([['w', w]]);
    const compiled = await compileGradients(loss, parameters, [tf.zeros([1, 512])], { microBatch: ${microBatch}, workers: 2 });
    const values = new Map([['w', w.dataSync().slice()]]);
    let before;
    for (let step = 0; step < 100; step++) {
      if (step === 20) before = process.memoryUsage().rss;
      await compiled.run(values, [new Float32Array(${batch} * 512).fill(step)]);
    }
    console.log('growth', (process.memoryUsage().rss - before) / 2 ** 20);
    await compiled.dispose();
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  return Number(output.split('growth ')[1]);
}

test.each([
  ['on workers', 512, 128],
  ["on the caller's own thread", 512, 512],
])('80 steps %s add next to no memory', (_, batch, microBatch) => {
  // A leak of one step's gradients would be 160 MB.
  expect(growth(batch, microBatch)).toBeLessThan(90);
});
