import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Linear } from '@ddpm/layers';
import { lora, withLora, writeLora } from '@ddpm/lora';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from '@jest/globals';
import { addLoras, loraAsked } from './lora';

test.each([
  ['a.safetensors', 'a.safetensors', 1],
  ['a.safetensors:0.8', 'a.safetensors', 0.8],
  ['C:\\a.safetensors', 'C:\\a.safetensors', 1],
  ['C:\\a.safetensors:-.5', 'C:\\a.safetensors', -0.5],
])('%s is a file and how much of it', (text, path, strength) => {
  expect(loraAsked(text)).toEqual({ path, strength });
});

test('adds each file by its strength, and names the one that is of another model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-lora-'));
  try {
    const layer = (outFeatures: number) => new Linear({ inFeatures: 2, outFeatures, rng: new Random(1) });
    const network = { toQ: layer(3), apply: (x: tf.Tensor): tf.Tensor => network.toQ.apply(x) };
    const make = async (of: object, name: string, value: number) => {
      const updates = lora(of, { rank: 1, rng: new Random(2) });
      for (const { up } of updates.values()) tf.tidy(() => up.assign(tf.fill(up.shape, value)));
      writeFileSync(join(folder, name), await writeLora(updates));
      return updates;
    };
    const [a, b] = [await make(network, 'a.safetensors', 1), await make(network, 'b.safetensors', -2)];
    await make({ toQ: layer(4) }, 'other.safetensors', 1);
    const x = tf.ones([1, 2]);
    const expected = withLora(network, [
      { lora: a, strength: 0.5 },
      { lora: b, strength: 1 },
    ]).apply(x);
    const [first, second, other] = ['a', 'b', 'other'].map((name) => join(folder, `${name}.safetensors`));
    expect(await addLoras(network, [`${first}:0.5`, second])).toEqual([
      `${first}, 0.5 of it, 1 layer`,
      `${second}, 1 of it, 1 layer`,
    ]);
    network
      .apply(x)
      .dataSync()
      .forEach((value, i) => expect(value).toBeCloseTo(expected.dataSync()[i], 5));
    await expect(addLoras(network, [other])).rejects.toThrow(
      `${other} is no LoRA of this model: lora: the update of 'toQ' is of [4, 2], its weight [3, 2]`,
    );
    await expect(addLoras(network, [join(folder, 'none')])).rejects.toThrow(/none cannot be read: /);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
