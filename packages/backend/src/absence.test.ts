import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { absenceFrom } from './absence';

// Packages that are not what they should be, each in a project of its own beside the built @ddpm/backend, as Node
// itself finds them.

/** The error of a tfjs-node that is loaded without its binary, in its own words. */
const withoutBinary = (name: string) =>
  `throw new Error("The Node.js native addon module (tfjs_binding.node) can not be found at path: /x/lib/napi-v8/tfjs_binding.node. \\nPlease run command 'npm rebuild @tensorflow/${name} --build-addon-from-source' to rebuild the native addon module.");`;
const cannotOpen = (library: string) =>
  `throw Object.assign(new Error('${library}: cannot open shared object file: No such file or directory'), { code: 'ERR_DLOPEN_FAILED' });`;
/** A backend that is called as tfjs-node's is, and whose kernels need what Node has. */
const working = (kernel: string) => `
  const tf = require('@tensorflow/tfjs-core');
  const util = require('util');
  class Backend extends tf.KernelBackend {
    isUsingGpuDevice = false;
    tensors = new tf.DataStorage(this, tf.engine());
    write(values) { const id = {}; this.tensors.set(id, values); return id; }
    move(id, values) { this.tensors.set(id, values); }
    numDataIds() { return this.tensors.numDataIds(); }
    disposeData() { return true; }
    incRef() {}
    readSync(id) { return this.tensors.get(id); }
  }
  tf.registerBackend('tensorflow', () => new Backend());
  tf.registerKernel({ kernelName: 'Add', backendName: 'tensorflow', kernelFunc: ({ inputs, backend }) => { ${kernel}
    return { dataId: backend.write(Float32Array.of(2)), shape: [], dtype: 'float32' };
  } });`;

const projects: Record<string, Record<string, string | undefined>> = {
  'nothing installed': {},
  'no binary': { 'tfjs-node': withoutBinary('tfjs-node'), 'tfjs-node-gpu': withoutBinary('tfjs-node-gpu') },
  // Its own dependency is where pnpm does not show it.
  undeclared: { 'tfjs-node': "require('tfjs-core-that-is-hidden');" },
  'broken install': { 'tfjs-node': "require('./register_all_kernels');" },
  'library of TensorFlow': { 'tfjs-node': cannotOpen('libtensorflow.so.2') },
  'library of CUDA': { 'tfjs-node-gpu': cannotOpen('libcudart.so.11.0') },
  'no device': { 'tfjs-node-gpu': working('') },
  'new Node': { 'tfjs-node': working('delete util.isNullOrUndefined; (0, util.isNullOrUndefined)(1);') },
  works: { 'tfjs-node': working('') },
};

let home: string;
let said: Record<string, Record<string, string>>;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'ddpm-absence-'));
  for (const [project, packages] of Object.entries(projects)) {
    const modules = join(home, project, 'node_modules');
    const backend = join(modules, '@ddpm', 'backend');
    mkdirSync(join(modules, '@tensorflow'), { recursive: true });
    cpSync('dist', join(backend, 'dist'), { recursive: true });
    cpSync('package.json', join(backend, 'package.json'));
    for (const name of [
      '@ddpm/gradients',
      '@tensorflow/tfjs-core',
      '@tensorflow/tfjs-backend-cpu',
      '@tensorflow/tfjs-backend-wasm',
    ]) {
      symlinkSync(realpathSync(join('node_modules', name)), join(modules, name), 'junction');
    }
    for (const [name, source] of Object.entries(packages)) {
      const folder = join(modules, '@tensorflow', name);
      mkdirSync(join(folder, 'dist'), { recursive: true });
      writeFileSync(
        join(folder, 'package.json'),
        JSON.stringify({ name: `@tensorflow/${name}`, main: 'dist/index.js' }),
      );
      writeFileSync(join(folder, 'dist', 'index.js'), source!);
    }
  }
  // One process for each, because tfjs's registry is one for all.
  said = Object.fromEntries(
    Object.keys(projects).map((project) => {
      const entry = pathToFileURL(join(home, project, 'node_modules', '@ddpm', 'backend', 'dist', 'index.js')).href;
      const program = `const { prepareBackend } = await import(${JSON.stringify(entry)});
        const said = {};
        for (const name of ['tfjs-node', 'tfjs-node-gpu', 'auto'])
          said[name] = await prepareBackend(name).then(({ reason }) => reason, ({ name, message }) => name + ': ' + message);
        console.log(JSON.stringify(said));`;
      return [project, JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))]; // prettier-ignore
    }),
  );
});
afterAll(() => rmSync(home, { recursive: true }));

const cuda =
  'It needs an NVIDIA GPU, its driver, CUDA 11.2 and cuDNN 8.1 on Linux or Windows, with their libraries where the system looks for them (LD_LIBRARY_PATH, or PATH on Windows)';
const rebuild = (name: string) =>
  `Its install script must be allowed to run (pnpm approve-builds), then: npm rebuild @tensorflow/${name}`;

test.each([
  ['nothing installed', 'tfjs-node', 'not installed. To get it: npm install @tensorflow/tfjs-node, whose version 4.22 needs Node 20 to 22 and an install script that downloads TensorFlow'],
  ['nothing installed', 'tfjs-node-gpu', `not installed. To get it: npm install @tensorflow/tfjs-node-gpu, whose version 4.22 needs Node 20 to 22 and an install script that downloads TensorFlow. ${cuda}`],
  ['no binary', 'tfjs-node', `installed without the native library that its install script downloads. ${rebuild('tfjs-node')}`],
  ['no binary', 'tfjs-node-gpu', `installed without the native library that its install script downloads. ${rebuild('tfjs-node-gpu')}`],
  ['undeclared', 'tfjs-node', 'installed, but @tensorflow/tfjs-node does not find tfjs-core-that-is-hidden, which it requires without declaring it. npm install tfjs-core-that-is-hidden, or under pnpm, whose packages see only what they declare, add packageExtensions: {"@tensorflow/tfjs-node": {dependencies: {"tfjs-core-that-is-hidden": "*"}}} to pnpm-workspace.yaml and install again'],
  ['broken install', 'tfjs-node', "unable to load (Cannot find module './register_all_kernels'). To get it: npm install @tensorflow/tfjs-node, whose version 4.22 needs Node 20 to 22 and an install script that downloads TensorFlow"],
  ['library of TensorFlow', 'tfjs-node', `unable to load its native library (libtensorflow.so.2: cannot open shared object file: No such file or directory). ${rebuild('tfjs-node')}`],
  ['library of CUDA', 'tfjs-node-gpu', `unable to load libcudart.so.11.0, a library of CUDA. ${cuda}`],
  ['no device', 'tfjs-node-gpu', `unable to see a CUDA device. ${cuda}; TensorFlow has printed which of them it did not find`],
  ['new Node', 'tfjs-node', `unable to run on Node ${process.versions.node} ((0 , util.isNullOrUndefined) is not a function). Use Node 20 or 22: it calls what Node 23 removed`],
])('%s: %s says so, and the way out, in one line', (project, name, sentence) => {
  expect(said[project][name]).toBe(`BackendError: Backend ${name} is ${sentence}`);
}); // prettier-ignore

test('what works is taken, and auto says why it passes over the rest', () => {
  expect(said['undeclared'].auto).toMatch(
    /^Backend: wasm \(tfjs-node-gpu is not installed; tfjs-node is installed, but @tensorflow\/tfjs-node does not find /,
  );
  expect(said['new Node'].auto).toMatch(
    /^Backend: wasm \(tfjs-node-gpu is not installed; tfjs-node is unable to run on Node /,
  );
  expect(said['no device'].auto).toBe(
    'Backend: wasm (tfjs-node-gpu is unable to see a CUDA device; tfjs-node is not installed)',
  );
  expect(said.works['tfjs-node']).toBe('Backend: tfjs-node (as asked)');
});

test('what other systems say', () => {
  const name = '@tensorflow/tfjs-node-gpu';
  const why = (message: string, code?: string) => absenceFrom(name, 'install it', { message, code }, '20.19.0').why;
  // Seen under pnpm with enableGlobalVirtualStore, and with hoist: false.
  const missing = (name: string, file: string) =>
    why(`Cannot find module '${name}'\nRequire stack:\n- ${file}\n- /x/y.js`, 'MODULE_NOT_FOUND');
  expect(
    missing('long', '/p/node_modules/.pnpm/@tensorflow+tfjs@4.22.0/node_modules/@tensorflow/tfjs/dist/tf.node.js'),
  ).toBe('installed, but @tensorflow/tfjs does not find long, which it requires without declaring it');
  expect(missing('@tensorflow/tfjs-core', 'C:\\p\\node_modules\\@tensorflow\\tfjs-node-gpu\\dist\\index.js')).toBe(
    'installed, but @tensorflow/tfjs-node-gpu does not find @tensorflow/tfjs-core, which it requires without declaring it',
  );
  expect(why(`Cannot find module '${name}'`, 'MODULE_NOT_FOUND')).toBe('not installed');
  expect(why('The specified module could not be found.\n\\\\?\\C:\\x\\tfjs_binding.node', 'ERR_DLOPEN_FAILED')).toBe('unable to load its native library (The specified module could not be found.)'); // prettier-ignore
  expect(why('dlopen(/x/tfjs_binding.node, 0x0001): Library not loaded: @rpath/libtensorflow.2.dylib', 'ERR_DLOPEN_FAILED')).toMatch(/^unable to load its native library/); // prettier-ignore
  expect(why('libcudnn.so.8: cannot open shared object file', 'ERR_DLOPEN_FAILED')).toBe(
    'unable to load libcudnn.so.8, a library of CUDA',
  );
  // A browser says it in words of its own, with the name.
  expect(
    absenceFrom(name, 'install it', { message: `Failed to resolve module specifier '${name}'` }, undefined),
  ).toEqual({
    why: 'not installed',
    wayOut: 'To get it: install it',
  });
});
