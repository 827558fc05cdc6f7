import * as tf from '@tensorflow/tfjs-core';

/** A tensor's shape and its row-major values. */
export interface TensorValues {
  /** Sizes of the axes; empty for a single number. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array;
}

/** A tensor's shape, and its row-major values where they lie, such as in a file, to be read when they are needed. */
export interface StoredValues {
  /** Sizes of the axes; empty for a single number. */
  readonly shape: readonly number[];
  /** Its row-major values, the same at each call. */
  read(): Float32Array;
}

/** A parameter in its place. */
export interface HeldParameter {
  /** The parameter. */
  readonly variable: tf.Variable;
  /** The object that holds it, such as a layer. */
  readonly owner: object;
  /** The name of the field there. */
  readonly field: string;
}

/** An object's fields; what is in a Map by its key, and in a Set by its place. */
function fieldsOf(value: object): [name: string, child: unknown][] {
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].map(([key, child]) => [String(key), child]);
  return Object.entries(value instanceof Set ? [...(value as Set<unknown>)] : value);
}

/**
 * The parameters that `namedParameters` finds, with the objects that hold them.
 * @throws Error if two have the same path
 */
export function heldParameters(module: object): Map<string, HeldParameter> {
  const parameters = new Map<string, HeldParameter>();
  const seen = new Set<object>();
  const visit = (value: unknown, path: string, owner: object, field: string) => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof tf.Variable) {
      if (parameters.has(path))
        throw new Error(`namedParameters: two parameters have the path ${path}; name one otherwise`);
      parameters.set(path, { variable: value as tf.Variable, owner, field });
    } else if (!(value instanceof tf.Tensor) && !ArrayBuffer.isView(value)) {
      for (const [key, child] of fieldsOf(value)) visit(child, path === '' ? key : `${path}.${key}`, value, key);
    }
  };
  visit(module, '', module, '');
  return parameters;
}

/**
 * Every `tf.Variable` reachable through the module's fields, by its path (`downs.0.block1.conv1.weight`), in the order
 * of the fields:
 * public ones, of objects and arrays, and the entries of Maps, by their keys, and of Sets, by their places. A variable
 * reachable by two paths appears once, by the first.
 * @throws Error if two variables have the same path, as of a Map's keys 1 and '1'
 */
export function namedParameters(module: object): Map<string, tf.Variable> {
  return new Map([...heldParameters(module)].map(([path, { variable }]) => [path, variable]));
}

/** How many numbers a module learns. */
export function parameterCount(module: object): number {
  return [...namedParameters(module).values()].reduce((sum, { size }) => sum + size, 0);
}

/** Frees a module's parameters; it is of no use afterwards. */
export function disposeParameters(module: object): void {
  for (const variable of namedParameters(module).values()) variable.dispose();
}

/** The values of a module's parameters by path: what `loadParameters` takes. */
export async function parameterValues(module: object): Promise<Map<string, TensorValues>> {
  const values = new Map<string, TensorValues>();
  for (const [name, variable] of namedParameters(module)) {
    values.set(name, { shape: variable.shape, data: (await variable.data()) as Float32Array });
  }
  return values;
}

/**
 * Sets a module's parameters, all or none.
 * @param tensors float32 values by the parameters' paths
 * @throws Error that names tensors that are missing, unexpected, or not of their parameter's shape.
 */
export function loadParameters(module: object, tensors: ReadonlyMap<string, TensorValues>): void {
  const parameters = namedParameters(module);
  const expected = new Map([...parameters].map(([name, { shape }]) => [name, shape]));
  checkTensors('loadParameters', expected, tensors);
  for (const [name, variable] of parameters) assign(variable, tensors.get(name)!.data);
}

/** Gives a variable new values, in its own layout. */
export function assign(variable: tf.Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, 'float32')));
}

/** Tensors that a message names at most. */
const NAMED = 5;

/**
 * @throws Error that names the first tensors that are missing, unexpected, misshapen or not float32, and says how many
 * more are.
 */
export function checkTensors(
  who: string,
  expected: ReadonlyMap<string, readonly number[]>,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): void {
  const problems: string[] = [];
  for (const [name, shape] of expected) {
    const tensor = tensors.get(name);
    if (!tensor) problems.push(`${name} is missing`);
    else if (tensor.shape.join() !== shape.join()) {
      problems.push(`${name} should have shape [${shape.join(', ')}], not [${tensor.shape.join(', ')}]`);
    } else if ('read' in tensor) continue;
    else if (tensor.data[Symbol.toStringTag] !== 'Float32Array') problems.push(`${name} is not float32`);
    else if (tensor.data.length !== tf.util.sizeFromShape([...shape])) {
      problems.push(`${name} should have ${tf.util.sizeFromShape([...shape])} elements, not ${tensor.data.length}`);
    }
  }
  for (const name of tensors.keys()) if (!expected.has(name)) problems.push(`${name} is unexpected`);
  if (problems.length === 0) return;
  const more = problems.length > NAMED ? `; and ${problems.length - NAMED} more` : '';
  throw new Error(`${who}: ${problems.slice(0, NAMED).join('; ')}${more}`);
}
