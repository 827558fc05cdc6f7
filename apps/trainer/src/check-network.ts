import type { AsyncNetworkFunction, Network } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { readingOnly } from '@ddpm/layers';
import { compileNetwork } from '@ddpm/models';
import { Random } from '@ddpm/random';
import type { Batch, Variables } from '@ddpm/train';
import { tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';

/** How far the parameters are moved at random before each further look. */
const SPREADS = [0.02, 0.1, 0.5];

/**
 * Tries a network on one noisy image, before anything is written: it must have parameters, read no other variables,
 * return a tensor like x_t, and use t.
 *
 * Whether it uses t shows in its output at two t for the same x_t. A network may begin with zeros where t enters
 * (adaLN-Zero), or with an output of zero; so where the outputs are equal it is looked at again with its parameters
 * moved at random: only one that ignores t gives equal outputs whatever they are. The parameters are left as they were.
 * @param told numbers that it is told, of the least noisy level, of others, and of the noisiest; of one level alone, t is
 * not looked for
 * @param blind whether a network that ignores t is allowed
 * @param learnsVariance whether it is to have twice the channels of x_t
 * @throws Error in one line that names the network and what is wrong with it
 */
export async function checkNetwork(
  network: Network,
  {
    name,
    parameters,
    execution,
    image,
    condition = {},
    told,
    blind,
    learnsVariance = false,
  }: {
    name: string;
    parameters: Variables;
    execution: Execution;
    image: readonly [h: number, w: number, c: number];
    condition?: Batch;
    told: readonly number[];
    blind: boolean;
    learnsVariance?: boolean;
  },
): Promise<void> {
  if (parameters.size === 0)
    throw new Error(`network ${name} has no parameters: no tf.Variable is reachable through its fields`);
  for (const [path, { dtype }] of parameters)
    if (dtype !== 'float32')
      throw new TypeError(`network ${name}: parameters must be float32, but ${path} is ${dtype}`);
  const variables = [...parameters.values()];
  const initial = variables.map((variable) => tf.clone(variable));
  const rng = new Random(['check']);
  const xt = tf.tensor4d(rng.normals(tf.util.sizeFromShape([...image])), [1, ...image]);
  const compiled = await compileNetwork(execution, guarded(network, { name, variables, condition, learnsVariance }), {
    parameters,
    image,
    condition,
  }).catch((error: unknown) => {
    tf.dispose([initial, xt]);
    throw error;
  });
  const run: AsyncNetworkFunction = (...inputs) =>
    compiled(...inputs).catch((error: unknown) =>
      Promise.reject(refusal(error, { name, xt: inputs[0], t: inputs[1], condition })),
    );
  const [least, noisiest] = [told[0], told[told.length - 1]];
  const compare = (other: number) => compareOutputs(run, { xt, condition, told: [least, other] });
  try {
    if ((await compare(noisiest)) === 'different' || blind || noisiest === least) return;
    const seen = new Set<string>();
    for (const [i, spread] of SPREADS.entries()) {
      for (const [k, variable] of variables.entries()) {
        const { shape, size } = variable;
        tf.tidy(() =>
          variable.assign(
            tf.add(
              initial[k],
              tf.tensor(
                rng.normals(size).map((z) => spread * z),
                shape,
              ),
            ),
          ),
        );
      }
      const outcome = await compare(i === 1 ? told[told.length >> 1] : noisiest);
      if (outcome === 'different') return;
      seen.add(outcome);
    }
    if (!seen.has('equal')) return;
  } finally {
    for (const [k, variable] of variables.entries()) variable.assign(initial[k]);
    tf.dispose([initial, xt]);
    await compiled.dispose();
  }
  throw new Error(
    `network ${name} ignores t: whatever its parameters, its output is the same at every noise level; use t in apply(xt, t), or allow it by --blind`,
  );
}

/** The network, with what its `apply` may do wrong said in terms of what it should do. */
function guarded(
  network: Network,
  {
    name,
    variables,
    condition: example,
    learnsVariance,
  }: { name: string; variables: readonly tf.Variable[]; condition: Batch; learnsVariance: boolean },
): Network {
  const checked: Network = {
    apply(xt, t, condition) {
      let output: unknown;
      try {
        output = network.apply(xt, t, condition);
      } catch (error) {
        throw refusal(error, { name, xt, t, condition: example });
      }
      const [n, h, w, c] = xt.shape;
      const expected = [n, h, w, learnsVariance ? 2 * c : c].join(', ');
      const should = learnsVariance
        ? `network ${name} must return a float32 tensor of twice the channels of x_t, [${expected}], of which half say the variance (--learn-sigma), not`
        : `network ${name} must return a float32 tensor shaped like x_t, [${expected}], not`;
      if (output instanceof Promise) throw new TypeError(`${should} a promise`);
      if (!(output instanceof tf.Tensor)) throw new TypeError(`${should} ${output === null ? 'null' : typeof output}`);
      const { dtype, shape } = output as tf.Tensor;
      if (dtype !== 'float32' || shape.join(', ') !== expected)
        throw new TypeError(`${should} ${dtype} [${shape.join(', ')}]`);
      return output as tf.Tensor4D;
    },
  };
  return {
    conditions: network.conditions,
    apply: (...inputs) => readingOnly(variables, () => checked.apply(...inputs), `network ${name}`),
  };
}

/** An error from within the network, with what it was applied to; one that names the network already stays as it is. */
function refusal(
  error: unknown,
  { name, xt, t, condition }: { name: string; xt: tf.Tensor; t: tf.Tensor; condition: Batch },
): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith(`network ${name} `)) return error as Error;
  const given = Object.entries(condition).map(([field, { data }]) => `, ${field} ${data.join(', ')}`);
  const inputs = `x_t [${xt.shape.join(', ')}], t [${t.shape.join(', ')}]${given.join('')}`;
  return new Error(`network ${name} cannot be applied to ${inputs}: ${message}`, { cause: error });
}

/** Compares two outputs for x_t, one at t = 0 and one at another t; undefined where one of them is not finite. */
async function compareOutputs(
  run: AsyncNetworkFunction,
  { xt, condition, told }: { xt: tf.Tensor4D; condition: Batch; told: readonly [number, number] },
): Promise<'different' | 'equal' | 'unknown'> {
  // One call for each, since how an image is rounded may depend on its place in a batch.
  const outputAt = async (timestep: number) => {
    const t = tf.tensor1d([timestep]);
    const given = Object.keys(condition).length > 0 ? tensors(condition) : {};
    let output: tf.Tensor4D | undefined;
    try {
      output = await run(xt, t, given);
      return await output.data<'float32'>();
    } finally {
      tf.dispose([t, output, ...Object.values(given)]);
    }
  };
  const [first, second] = [await outputAt(told[0]), await outputAt(told[1])];
  if (!first.every(Number.isFinite) || !second.every(Number.isFinite)) return 'unknown';
  return first.every((value, i) => value === second[i]) ? 'equal' : 'different';
}
