import * as tf from '@tensorflow/tfjs-core';

/** Where tfjs keeps its functions of tensors. */
const namespaces: [prefix: string, functions: object][] = [
  ['tf', tf],
  ...(['browser', 'image', 'linalg', 'signal', 'sparse', 'spectral', 'string'] as const).map(
    (name): [string, object] => [`tf.${name}`, tf[name]],
  ),
];

/** Kernels that are not named as the function that runs them is. */
const otherNames: Readonly<Record<string, string>> = {
  ComplexAbs: 'abs',
  NonMaxSuppressionV4: 'nonMaxSuppressionPadded',
  NonMaxSuppressionV5: 'nonMaxSuppressionWithScore',
};

/** The eager backends that there are for Node and for pages. */
const eager = ['tensorflow', 'webgpu', 'wasm', 'cpu'];

function functionNamed(name: string): string | undefined {
  for (const [prefix, functions] of namespaces) {
    const found = Object.entries(functions).find(
      ([key, value]) => typeof value === 'function' && key.toLowerCase() === name.toLowerCase(),
    );
    if (found) return `${prefix}.${found[0]}`;
  }
  return undefined;
}

/** The part of tfjs that runs a kernel, in words: a function of its, or the gradient of one. */
function userOf(kernel: string): string | undefined {
  const name = (otherNames[kernel] ?? kernel).replace(/^_/, '').replace(/V\d+$/, '');
  const direct = functionNamed(name);
  if (direct && !/Grad$|Backprop/.test(name)) return direct;
  const differentiated = functionNamed(name.replace(/(Backprop(Input|Filter)|Grad)$/, ''));
  return differentiated && `the gradient of ${differentiated}`;
}

/** That a kernel cannot be compiled, and what one can do about it. */
export function missingKernel(kernel: string): string {
  const user = userOf(kernel);
  const having = eager.filter((backend) => tf.getKernel(kernel, backend));
  const elsewhere =
    having.length > 0
      ? `run it on an eager backend that has the kernel, as ${having.join(' and ')} ${having.length > 1 ? 'have' : 'has'}`
      : 'run it on an eager backend that has the kernel, as none that is loaded has';
  return `compile: no lowering for the kernel ${kernel}; ${user ? `do without ${user} in this function, or ` : ''}${elsewhere}`;
}
