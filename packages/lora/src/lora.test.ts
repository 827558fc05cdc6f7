import { Conv2d, Linear } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import type { StoredTensor } from '@ddpm/safetensors';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { eagerGradients } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Lora } from './index';
import { lora, loraParameters, mergeLora, readLora, updatable, withLora, writeLora } from './index';

/** A convolution with a stride, a 1×1 one, and a matrix. */
class Small {
  readonly first: Conv2d;
  readonly inner: { readonly point: Conv2d; readonly toQ: Linear };
  readonly conditions = ['label'];
  constructor(seed = 1) {
    const rng = new Random(seed);
    this.first = new Conv2d({ inChannels: 2, outChannels: 3, kernelSize: 3, stride: 2, padding: 1, rng });
    this.inner = {
      point: new Conv2d({ inChannels: 3, outChannels: 4, kernelSize: 1, rng }),
      toQ: new Linear({ inFeatures: 4, outFeatures: 5, bias: false, rng }),
    };
  }
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.inner.toQ.apply(tf.relu(this.inner.point.apply(tf.relu(this.first.apply(x)))));
  }
}
const random = (shape: number[], seed: number) =>
  tf.tensor(new Random(seed).normals(tf.util.sizeFromShape(shape)), shape);
const x = random([2, 5, 5, 2], 9) as tf.Tensor4D;
const far = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];
/** Updates that change something. */
function made(network: object, options: Partial<Parameters<typeof lora>[1]> = {}): Lora {
  const updates = lora(network, { rank: 2, rng: new Random(2), ...options });
  let seed = 20;
  for (const { up } of updates.values()) tf.tidy(() => up.assign(random(up.shape, seed++)));
  return updates;
}

test('updates are of all matrices and convolutions, in shapes of PyTorch, and change nothing as they begin', () => {
  const network = new Small();
  const updates = lora(network, { rank: 2, alpha: 4, rng: new Random(1) });
  expect([...updates].map(([path, { down, up, scale }]) => [path, down.shape, up.shape, scale])).toEqual([
    ['first', [2, 2, 3, 3], [3, 2, 1, 1], 2],
    ['inner.point', [2, 3, 1, 1], [4, 2, 1, 1], 2],
    ['inner.toQ', [2, 4], [5, 2], 2],
  ]);
  const apart = withLora(network, [{ lora: updates }]);
  expect([...apart.apply(x).dataSync()]).toEqual([...network.apply(x).dataSync()]);
  expect(apart.conditions).toEqual(['label']);
  expect([...lora(network, { rank: 1, layers: (path) => path.endsWith('toQ'), rng: new Random(1) }).keys()]).toEqual([
    'inner.toQ',
  ]);
});

test('an updated layer adds scale·B(A(x)), as peft has it: a convolution of A, and one of B that is 1×1', () => {
  const rng = new Random(3);
  const conv = new Conv2d({ inChannels: 2, outChannels: 3, kernelSize: 3, stride: 2, padding: 1, rng });
  const updates = made(conv, { alpha: 6 });
  const { down, up } = updates.get('')!;
  const hwio = (weight: tf.Tensor) => tf.transpose(weight, [2, 3, 1, 0]) as tf.Tensor4D;
  const between = tf.conv2d(x, hwio(down), 2, 1, 'NHWC', 1, 'floor');
  const expected = tf.add(conv.apply(x), tf.mul(tf.conv2d(between, hwio(up), 1, 'valid'), 3));
  expect(far(withLora(conv, [{ lora: updates }]).apply(x), expected)).toBeLessThan(1e-5);

  const linear = new Linear({ inFeatures: 4, outFeatures: 3, rng });
  const own = made(linear);
  const rows = random([5, 4], 1);
  const { down: a, up: b } = own.get('')!;
  const matrices = tf.matMul(tf.matMul(rows, a as tf.Tensor2D, false, true), b, false, true);
  const half = withLora(linear, [{ lora: own, strength: 0.5 }]);
  expect(far(half.apply(rows), tf.add(linear.apply(rows), tf.mul(matrices, 0.5)))).toBeLessThan(1e-5);
});

test('merged is what kept apart is, several together, and the weights are back after every call', () => {
  const network = new Small();
  const before = network.apply(x);
  const applied = [
    { lora: made(network), strength: 0.7 },
    {
      lora: made(network, { rank: 1, layers: (path) => path.startsWith('inner'), rng: new Random(8) }),
      strength: -0.3,
    },
  ];
  const memory = tf.memory().numTensors;
  const apart = withLora(network, applied).apply(x);
  expect(tf.memory().numTensors).toBe(memory + 1);
  expect([...network.apply(x).dataSync()]).toEqual([...before.dataSync()]);
  expect(far(apart, before)).toBeGreaterThan(0.1);
  expect(() => withLora(network, applied).apply(random([1, 5, 5, 3], 1) as tf.Tensor4D)).toThrow('Conv2d');
  expect([...network.apply(x).dataSync()]).toEqual([...before.dataSync()]);
  mergeLora(network, applied);
  expect(far(network.apply(x), apart)).toBeLessThan(1e-5);
});

test('gradients reach A and B alone, and are those of finite differences', async () => {
  const network = new Small();
  const updates = made(network);
  const parameters = loraParameters(updates);
  expect([...parameters.keys()].slice(0, 2)).toEqual(['lora.first.down', 'lora.first.up']);
  const apart = withLora(network, [{ lora: updates }]);
  const loss = () => ({ loss: tf.mean<tf.Tensor1D>(tf.square(apart.apply(x)), [1, 2, 3]) });
  const values = new Map([...parameters].map(([name, v]) => [name, v.dataSync<'float32'>().slice()]));
  const gradients = eagerGradients({ loss, parameters });
  const batch = { image: { data: x.dataSync<'float32'>(), item: [5, 5, 2] } };
  const found = await gradients(values, batch);
  expect([...found.gradients.keys()]).toEqual([...parameters.keys()]);
  for (const [name, gradient] of [...found.gradients].map(([key, value]) => [key, value.slice()] as const)) {
    const moved = async (by: number) => {
      const changed = values.get(name)!.slice();
      changed[1] += by;
      return (await gradients(new Map([...values, [name, changed]]), batch)).loss;
    };
    const difference = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
    expect(Math.abs(gradient[1] - difference)).toBeLessThan(0.02 * Math.max(0.1, Math.abs(difference)));
  }
});

describe('files', () => {
  const network = new Small();
  const nameOf = (path: string) => path.replace('inner.toQ', 'mid_block.attn1.to_q').replace('inner.', 'inner_');
  const updates = made(network, { alpha: 5 });
  const expected = withLora(network, [{ lora: updates }]).apply(x);
  const drawn = (bytes: Uint8Array, names = {}) =>
    withLora(network, [{ lora: readLora(network, bytes, { nameOf, ...names }) }]).apply(x);

  test('have the names of diffusers and peft, and come back', async () => {
    const bytes = await writeLora(updates, { nameOf });
    expect([...readSafetensors(bytes).tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ['unet.first.lora_A.weight', [2, 2, 3, 3]],
      ['unet.first.lora_B.weight', [3, 2, 1, 1]],
      ['unet.inner_point.lora_A.weight', [2, 3, 1, 1]],
      ['unet.inner_point.lora_B.weight', [4, 2, 1, 1]],
      ['unet.mid_block.attn1.to_q.lora_A.weight', [2, 4]],
      ['unet.mid_block.attn1.to_q.lora_B.weight', [5, 2]],
    ]);
    expect(far(drawn(bytes), expected)).toBeLessThan(1e-5);
    // As peft writes a network alone.
    const alone = [...readSafetensors(bytes).tensors].map(([name, tensor]) => [name.slice(5), tensor] as const);
    expect(far(drawn(writeSafetensors(new Map(alone), {})), expected)).toBeLessThan(1e-5);
  });

  test('of kohya, whose names have no dots, and of an α for each layer are read, and of a 1×1 as a matrix', () => {
    const tensors = new Map<string, StoredTensor>(
      [...updates].flatMap(([path, { down, up }]) => {
        const name = `lora_unet_${nameOf(`${path}.weight`)
          .replace(/\.weight$/, '')
          .replaceAll('.', '_')}`;
        const flat = path === 'inner.point' ? (shape: number[]) => shape.slice(0, 2) : (shape: number[]) => shape;
        return [
          [`${name}.lora_down.weight`, { shape: flat(down.shape), data: down.dataSync<'float32'>() }],
          [`${name}.lora_up.weight`, { shape: flat(up.shape), data: up.dataSync<'float32'>() }],
          [`${name}.alpha`, { shape: [], data: Float32Array.of(5) }],
        ] as const;
      }),
    );
    expect(far(drawn(writeSafetensors(tensors, {})), expected)).toBeLessThan(1e-5);
  });

  test('may say α in their metadata', async () => {
    const halved = new Map([...updates].map(([path, update]) => [path, { ...update, scale: 1 }]));
    const bytes = writeSafetensors(readSafetensors(await writeLora(halved, { nameOf })).tensors, {
      lora_adapter_metadata: JSON.stringify({ 'unet.r': 2, 'unet.lora_alpha': 5 }),
    });
    expect(far(drawn(bytes), expected)).toBeLessThan(1e-5);
  });

  test.each<[string, (all: ReturnType<typeof readSafetensors>['tensors']) => void, string]>([
    [
      'a layer that is not there',
      (all) => all.set('text_encoder.q_proj.lora_A.weight', all.get('unet.first.lora_A.weight')!),
      '1 of its 7 tensors are no update of a layer of the unet: text_encoder.q_proj.lora_A.weight',
    ],
    ['half an update', (all) => all.delete('unet.first.lora_B.weight'), "the update of 'first' lacks its up half"],
    ['nothing', (all) => all.clear(), 'it holds no update'],
    [
      'ranks that differ',
      (all) => all.set('unet.first.lora_B.weight', { dtype: 'F32', shape: [3, 1, 1, 1], data: new Float32Array(3) }),
      "the update of 'first' has 2 directions down, and 1 up",
    ],
  ])('with %s are refused in one line', async (_, change, message) => {
    const { tensors } = readSafetensors(await writeLora(updates, { nameOf }));
    change(tensors);
    expect(() => drawn(writeSafetensors(tensors, {}))).toThrow(message);
  });
});

test('what does not fit is refused before anything is changed', () => {
  const [network, other] = [new Small(), { first: new Linear({ inFeatures: 2, outFeatures: 3, rng: new Random(1) }) }];
  expect([...updatable(other).keys()]).toEqual(['first']);
  expect(() => mergeLora(network, [{ lora: made(other) }])).toThrow(
    "lora: the update of 'first' is of [3, 2], its weight [3, 2, 3, 3]",
  );
  expect(() => lora(network, { rank: 0, rng: new Random(1) })).toThrow(
    'lora: rank must be a whole number from 1, got 0',
  );
  expect(() => lora(network, { rank: 1, layers: () => false, rng: new Random(1) })).toThrow(
    'lora: no layer of the network is to be updated',
  );
});
