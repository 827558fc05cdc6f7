import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { whyNotImported } from './optional-package';
import { firstThatStarts, prepareBackend } from './prepare-backend';

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
    /^Backend tfjs-node is not installed\. To get it: npm install @tensorflow\/tfjs-node\. Version 4\.22 loads on Node 20 to 22 only, .*$/,
  );
  await expect(prepareBackend('tfjs-node-gpu')).rejects.toThrow(/npm install @tensorflow\/tfjs-node-gpu.*CUDA 11\.2 and cuDNN 8\.1/);
  await expect(prepareBackend('webgpu')).rejects.toThrow(/^Backend webgpu is not installed\..*navigator\.gpu$/);
});

test('an unknown name lists the names', async () => {
  await expect(prepareBackend('cuda' as 'cpu')).rejects.toThrow(
    new RangeError('prepareBackend: unknown backend "cuda"; expected one of auto, tfjs-node-gpu, tfjs-node, webgpu, wasm, cpu'),
  );
  await expect(prepareBackend('toString' as 'cpu')).rejects.toThrow(RangeError);
});

test('what a failed import means', () => {
  const name = '@tensorflow/tfjs-node';
  const why = (message: string, code?: string, node = '20.19.0') => whyNotImported(name, { message, code }, node);
  expect(why(`Cannot find package '${name}' imported from /x.js`, 'ERR_MODULE_NOT_FOUND')).toBe('not installed');
  expect(why(`Cannot find module '${name}'`, 'MODULE_NOT_FOUND')).toBe('not installed');
  expect(why(`The Node.js native addon module (tfjs_binding.node) can not be found at path: /x\nmore`)).toBe(
    'installed without the native library that its install script downloads',
  );
  expect(why('(0 , util_1.isNullOrUndefined) is not a function\nmore', undefined, '24.1.0')).toBe(
    'unable to load on Node 24.1.0, being made for 20 to 22 ((0 , util_1.isNullOrUndefined) is not a function)',
  );
  expect(why('libcudart.so.11.0: cannot open\nmore')).toBe('unable to load (libcudart.so.11.0: cannot open)');
  // One of its own dependencies is missing: that is not the package's absence.
  expect(why(`Cannot find package 'rimraf' imported from /x.js`, 'ERR_MODULE_NOT_FOUND')).toMatch(/^unable to load/);
});

test('the reasons for passing over are grouped, and in order', async () => {
  const start = (answers: Record<string, string | undefined>) => (name: string) => Promise.resolve(answers[name]);
  const names = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const;
  const chosen = await firstThatStarts(names, start({ 'tfjs-node-gpu': 'unable to see a CUDA device', 'tfjs-node': 'not installed' }));
  expect(chosen.reason).toBe('Backend: wasm (tfjs-node-gpu is unable to see a CUDA device; tfjs-node is not installed)');
  expect((await firstThatStarts(names, start({}))).reason).toBe('Backend: tfjs-node-gpu (the best there is)');
  await expect(firstThatStarts(['wasm'], start({ wasm: 'broken' }))).rejects.toThrow('No backend works: wasm: broken');
});
