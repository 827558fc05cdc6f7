import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default {
  // How fast a machine is must not decide whether a test passes.
  testTimeout: 120_000,
  setupFiles: [here('scripts/jest-setup.mjs')],
  testMatch: ['<rootDir>/src/**/*.test.ts'],
  // A global that is looked up in a test's realm is slow; TensorFlow.js's cpu kernels look these up in their inner
  // loops.
  sandboxInjectedGlobals: ['Math', 'Symbol'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } }],
  },
};
