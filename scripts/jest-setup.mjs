import { readFileSync } from 'node:fs';

// Packages that work with tensors get every kernel, gradient and the cpu backend; the others do not wait for TensorFlow.js to load.
if (readFileSync('package.json', 'utf8').includes('@tensorflow/tfjs"')) {
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  await tf.setBackend('cpu');
}
