import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { BackendError, firstThatStarts, prepareBackend } from './prepare-backend';

test('auto takes wasm where only npm packages are, and says why', async () => {
  expect(await prepareBackend('auto')).toEqual({
    name: 'wasm',
    reason: 'Backend: wasm (tfjs-node-gpu and tfjs-node are not installed)',
  });
  expect(tf.getBackend()).toBe('wasm');
  const { kernelFunc } = tf.getKernel('Slice', 'wasm');
  expect(await prepareBackend('auto')).toMatchObject({ name: 'wasm' });
  expect(tf.getKernel('Slice', 'wasm').kernelFunc).toBe(kernelFunc);
});

test('a backend asked for by name is the one that is used', async () => {
  expect(await prepareBackend('cpu')).toEqual({ name: 'cpu', reason: 'Backend: cpu (as asked)' });
  expect(tf.getBackend()).toBe('cpu');
});

test('a backend that is absent says how to get it', async () => {
  await expect(prepareBackend('tfjs-node')).rejects.toThrow(
    new BackendError('tfjs-node', {
      why: 'not installed',
      wayOut:
        'To get it: npm install @tensorflow/tfjs-node, whose version 4.22 needs Node 20 to 22 and an install script that downloads TensorFlow',
    }),
  );
  await expect(prepareBackend('tfjs-node-gpu')).rejects.toThrow(
    /npm install @tensorflow\/tfjs-node-gpu.*CUDA 11\.2 and cuDNN 8\.1/,
  );
  await expect(prepareBackend('webgpu')).rejects.toThrow(/^Backend webgpu is not installed\..*navigator\.gpu$/);
});

test('an unknown name lists the names', async () => {
  await expect(prepareBackend('cuda' as 'cpu')).rejects.toThrow(
    new RangeError(
      'prepareBackend: unknown backend "cuda"; expected one of auto, tfjs-node-gpu, tfjs-node, webgpu, wasm, cpu',
    ),
  );
  await expect(prepareBackend('toString' as 'cpu')).rejects.toThrow(RangeError);
});

test('the reasons for passing over are grouped, and in order', async () => {
  const start = (answers: Record<string, string>) => (name: string) =>
    Promise.resolve(name in answers ? { why: answers[name], wayOut: '' } : undefined);
  const names = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const;
  const chosen = await firstThatStarts(
    names,
    start({ 'tfjs-node-gpu': 'unable to see a CUDA device', 'tfjs-node': 'not installed' }),
  );
  expect(chosen.reason).toBe(
    'Backend: wasm (tfjs-node-gpu is unable to see a CUDA device; tfjs-node is not installed)',
  );
  expect((await firstThatStarts(names, start({}))).reason).toBe('Backend: tfjs-node-gpu (the best there is)');
  await expect(firstThatStarts(['wasm'], start({ wasm: 'broken' }))).rejects.toThrow('No backend works: wasm: broken');
});
