import { BackendError, prepareBackend } from '@ddpm/backend';
import type { AsyncNetworkFunction, GradientFunction, LossFunction, Network } from '@ddpm/diffusion';
import { eagerGradients, inParts } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs';

export const backendNames = ['auto', 'compiled', 'tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const;
export type ExecutionName = (typeof backendNames)[number];

export type ImageShape = readonly [h: number, w: number, c: number];

/** Whatever executes networks: tfjs functions compiled to ONNX Runtime, or an eager tfjs backend. */
export interface Execution {
  readonly name: Exclude<ExecutionName, 'auto'>;
  /** One line that says what was picked and why. */
  readonly reason: string;
  gradients(
    lossFunction: LossFunction,
    parameters: ReadonlyMap<string, tf.Variable>,
    imageShape: ImageShape,
    batchSize: number,
  ): Promise<{ gradients: GradientFunction; dispose: () => Promise<void> }>;
  /** The network with the values that its variables have now, for batches of any size. */
  denoiser(network: Network, imageShape: ImageShape): Promise<{ network: Network | AsyncNetworkFunction; dispose: () => Promise<void> }>;
}

/**
 * Prepares what is asked for. `auto` takes tfjs-node-gpu where it is installed and sees a CUDA device, otherwise compiled, otherwise the
 * best eager backend.
 * @throws Error if one asked for by name is not there; the message says how to get it.
 */
export async function prepareExecution(name: ExecutionName): Promise<Execution> {
  tf.enableProdMode();
  if (name === 'compiled') return compiled('as asked');
  if (name !== 'auto') return eager(await prepareBackend(name));
  let why: string;
  try {
    return eager(await prepareBackend('tfjs-node-gpu'));
  } catch (error) {
    why = error instanceof BackendError ? error.reason : (error as Error).message;
  }
  try {
    return await compiled(why);
  } catch (error) {
    const { name: picked, reason } = await prepareBackend('auto');
    return eager({ name: picked, reason: `${reason}; compiled is not available: ${(error as Error).message.split('\n', 1)[0]}` });
  }
}

async function compiled(why: string): Promise<Execution> {
  const { compile, compileGradients } = await import('@ddpm/compile').catch((error: Error) => {
    throw new Error(
      `Backend compiled cannot start: ONNX Runtime does not load here (${error.message.split('\n', 1)[0]}); choose --backend wasm`,
    );
  });
  // What is not worth compiling, such as a sampler's arithmetic on images, runs in plain JavaScript.
  await prepareBackend('cpu');
  return {
    name: 'compiled',
    reason: `Backend: compiled, on ONNX Runtime (${why})`,
    async gradients(lossFunction, parameters, imageShape, batchSize) {
      const images = tf.zeros([batchSize, ...imageShape]);
      const t = tf.zeros([batchSize], 'int32');
      try {
        const program = await compileGradients(
          (x, noise, ts) => lossFunction(x as tf.Tensor4D, noise as tf.Tensor4D, ts as tf.Tensor1D),
          parameters,
          [images, images, t],
        );
        return {
          gradients: async (values, batch) => {
            const { loss, gradients, losses } = await program.run(values, [batch.xStart, batch.noise, batch.t]);
            const each = losses.get('loss');
            return { loss, gradients, ...(each && { losses: each }) };
          },
          dispose: async () => program.dispose(),
        };
      } finally {
        tf.dispose([images, t]);
      }
    },
    async denoiser(network, imageShape) {
      const xt = tf.zeros<tf.Rank.R4>([1, ...imageShape]);
      const t = tf.zeros<tf.Rank.R1>([1], 'int32');
      try {
        // In micro-batches, an image does not depend on how many others it is drawn with.
        const run = await compile((x: tf.Tensor4D, ts: tf.Tensor1D) => network.apply(x, ts), [xt, t], { microBatch: 'auto' });
        return { network: (x, ts) => run(x, ts), dispose: () => run.dispose() };
      } finally {
        tf.dispose([xt, t]);
      }
    },
  };
}

/** Images at a time on the WASM backend: it can address 4 GB, which the tutorial's batch does not fit, and small parts are as fast. */
const WASM_PART = 16;

function eager({ name, reason }: { name: string; reason: string }): Execution {
  const dispose = () => Promise.resolve();
  return {
    name: name as Execution['name'],
    reason,
    gradients(lossFunction, parameters, imageShape) {
      const whole = eagerGradients(lossFunction, parameters, imageShape);
      return Promise.resolve({ gradients: name === 'wasm' ? inParts(whole, WASM_PART) : whole, dispose });
    },
    denoiser: (network) => Promise.resolve({ network, dispose }),
  };
}
