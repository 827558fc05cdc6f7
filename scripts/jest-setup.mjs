import { readFileSync } from 'node:fs';

// Packages that work with tensors get every kernel, gradient and the cpu backend, or the one that DDPM_TEST_BACKEND
// names; the others do not wait for TensorFlow.js to load.
if (readFileSync('package.json', 'utf8').includes('@tensorflow/tfjs"')) {
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  const backend = process.env.DDPM_TEST_BACKEND;
  if (backend) {
    await (await import('../packages/backend/dist/index.js')).prepareBackend(backend);
    // A native addon makes arrays of the test's own realm, in which every other array is of the outer one.
    const current = tf.backend();
    const read = current.readSync.bind(current);
    current.readSync = (id) => {
      const values = read(id);
      return Array.isArray(values) ? values : globalThis[values[Symbol.toStringTag]].from(values);
    };
  } else await tf.setBackend('cpu');
}
