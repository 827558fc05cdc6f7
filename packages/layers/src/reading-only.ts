import * as tf from '@tensorflow/tfjs-core';

/** Variables that a message describes at most. */
const DESCRIBED = 3;

/**
 * Runs `body`, which may read no variables but the given ones, and make none: such would be neither trained nor saved.
 * It does so on whichever backend is active, and while `@ddpm/compile` traces it.
 * @param variables what may be read: `namedParameters(network).values()`
 * @param who what the error begins with: whose function it is
 * @returns what `body` returns
 * @throws Error that describes the variables, and says how they come to be parameters
 */
export function readingOnly<T>(variables: Iterable<tf.Variable>, body: () => T, who = 'the function'): T {
  const engine = tf.engine();
  const registered = () => Object.values(engine.registeredVariables);
  const [allowed, before] = [new Set(variables), new Set(registered())];
  /** Other variables, each with the first kernel that reads it. */
  const others = new Map<tf.Variable, string>();
  const runKernel = engine.runKernel.bind(engine);
  const own = Object.getOwnPropertyDescriptor(engine, 'runKernel');
  // Every operation of tfjs runs its kernels by this function, on all backends.
  engine.runKernel = <R extends tf.Tensor | tf.Tensor[]>(
    ...[kernel, inputs, attrs]: Parameters<typeof runKernel>
  ): R => {
    for (const input of Object.values(inputs) as (tf.Variable | undefined)[])
      if (input instanceof tf.Variable && !allowed.has(input) && !others.has(input)) others.set(input, kernel);
    return runKernel(kernel, inputs, attrs);
  };
  const outcome: { result?: T; failure?: { readonly error: unknown } } = {};
  try {
    outcome.result = body();
  } catch (error) {
    outcome.failure = { error };
  } finally {
    if (own) Object.defineProperty(engine, 'runKernel', own);
    else delete (engine as Partial<typeof engine>).runKernel;
  }
  const made = registered().filter((variable) => !before.has(variable));
  const { failure } = outcome;
  if (made.length > 0 && !failure) {
    const what = made.map((variable) => describe(variable, others.get(variable)));
    throw new Error(
      `${who} makes variables while it is applied, too late to be trained or saved: ${some(what)}; make them before, and keep them in its fields`,
    );
  }
  if (others.size > 0) {
    const what = [...others].map(([variable, kernel]) => describe(variable, kernel));
    throw new Error(
      `${who} reads variables that its fields do not reach, so they would be neither trained nor saved: ${some(what)}; ` +
        'keep them in its fields (public ones, and arrays, objects, Maps and Sets in them), not only in a closure',
      // Where it is compiled, the first of them is an error by itself, in words of its own.
      { cause: failure?.error },
    );
  }
  if (failure) throw failure.error;
  return outcome.result as T;
}

/** tfjs calls variables by numbers where nobody names them. */
const describe = ({ name, shape }: tf.Variable, kernel?: string) =>
  `${/^\d+$/.test(name) ? '' : `"${name}" `}[${shape.join(', ')}]${kernel ? ` (read by ${kernel})` : ''}`;

const some = (all: readonly string[]) =>
  all.slice(0, DESCRIBED).join(', ') + (all.length > DESCRIBED ? ` and ${all.length - DESCRIBED} more` : '');
