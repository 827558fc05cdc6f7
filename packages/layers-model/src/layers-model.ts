import type { Network } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs-core';

/** The part of a `tf.LayersModel` that is used here, so that nothing here needs `@tensorflow/tfjs-layers`. */
export interface LayersModel {
  /** The first axis, the batch, is null. */
  readonly inputs: readonly { readonly shape: readonly (number | null)[]; readonly dtype?: tf.DataType }[];
  /** Names of the layers that the inputs are. */
  readonly inputNames: readonly string[];
  readonly outputs: readonly unknown[];
  readonly layers: readonly LayersModelLayer[];
  /** One tensor for each input → that of the output. */
  apply(inputs: tf.Tensor[]): unknown;
}

/** A layer, or a model that is used as one. */
export interface LayersModelLayer {
  readonly name: string;
  readonly stateful: boolean;
  /** Its regularizers. */
  readonly losses: readonly unknown[];
  readonly weights: readonly {
    /** `scope/kernel`: the scope depends on what else the process has made, the last part does not. */
    readonly originalName: string;
    readonly trainable: boolean;
    /** Its variable. */
    read(): tf.Tensor;
  }[];
  /** Of a model. */
  readonly layers?: readonly LayersModelLayer[];
  /** Of a wrapper, such as TimeDistributed. */
  readonly layer?: LayersModelLayer;
  /** `Dense`, `Conv2D`, … */
  getClassName(): string;
  /** The settings that it was made with. */
  getConfig(): Readonly<Record<string, unknown>>;
}

/** The variables of a layer by name, or of a model's layers. */
export type LayerParameters = Readonly<Record<string, tf.Variable>> | { readonly layers: readonly LayerParameters[] };

/**
 * A `tf.LayersModel` as a network. Its inputs are x_t [n, h, w, c], t ([n] or [n, 1], of the type that the input
 * declares), and then conditions by their input names; it has one output.
 *
 * The parameters are named by the places of their layers in the model, `layers.3.kernel`, which are the same in every
 * process; the names that tfjs-layers gives them count all layers that the process has made. Training and sampling
 * apply the model alike.
 * @throws RangeError if the inputs or outputs are others, or a layer works differently in training (Dropout,
 * BatchNormalization and other layers with random numbers or weights that are not trained), keeps a state, or has a
 * constraint or regularizer, which only tfjs-layers' own training obeys
 */
export function networkFromLayersModel(model: LayersModel): Network & { readonly layers: readonly LayerParameters[] } {
  const { inputs, inputNames, outputs } = model;
  if (inputs.length < 2)
    throw new RangeError(
      `networkFromLayersModel: the model's inputs should be x_t, t and conditions, not only ${inputNames.join(', ')}`,
    );
  if (outputs.length !== 1)
    throw new RangeError(`networkFromLayersModel: the model should have one output, not ${outputs.length}`);
  const { shape: tShape, dtype = 'float32' } = inputs[1];
  if (tShape.length > 2 || (tShape.length === 2 && tShape[1] !== 1))
    throw new RangeError(
      `networkFromLayersModel: the model's second input, t, should have the shape [n] or [n, 1], not [${['n', ...tShape.slice(1)].join(', ')}]`,
    );
  const conditionNames = inputNames.slice(2);
  return {
    layers: model.layers.map((layer, i) => layerParameters(layer, `layers.${i}`)),
    conditions: conditionNames,
    apply(xt, t, condition = {}) {
      const conditions = conditionNames.map((name) => {
        if (!Object.hasOwn(condition, name))
          throw new RangeError(
            `networkFromLayersModel: the model's input ${name} needs a condition of this name, got ${Object.keys(condition).join(', ') || 'none'}`,
          );
        return condition[name];
      });
      return tf.tidy(() => {
        const told = tf.cast(tf.reshape(t, [-1, ...tShape.slice(1).map(Number)]), dtype);
        return model.apply([xt, told, ...conditions]) as tf.Tensor4D;
      });
    },
  };
}

function layerParameters(layer: LayersModelLayer, path: string): LayerParameters {
  if (layer.layers) return { layers: layer.layers.map((inner, i) => layerParameters(inner, `${path}.layers.${i}`)) };
  check(layer, path);
  const parameters: Record<string, tf.Variable> = {};
  for (const weight of layer.weights) {
    const name = lastName(weight);
    // Two of a name, as both directions of a Bidirectional have, are told apart by their order.
    let unique = name;
    for (let i = 2; unique in parameters; i++) unique = `${name}${i}`;
    parameters[unique] = weight.read() as tf.Variable;
  }
  return parameters;
}

/** Settings of layers that, where they are not zero, draw random numbers in training. */
const RANDOM = ['rate', 'stddev', 'dropout', 'recurrentDropout'];

/** @throws RangeError if the layer, or one that it wraps, cannot be trained here */
function check(layer: LayersModelLayer, path: string): void {
  const refuse = (why: string) => {
    throw new RangeError(`networkFromLayersModel: ${path} (${layer.getClassName()} ${layer.name}) ${why}`);
  };
  const config = layer.getConfig();
  const random = RANDOM.find((name) => typeof config[name] === 'number' && config[name] > 0);
  if (random)
    refuse(
      `draws random numbers in training (${random} ${String(config[random])}), which is not supported; leave it out`,
    );
  if (layer.stateful) refuse('keeps a state from one call to the next, which is not supported');
  if (layer.losses.length > 0) refuse('has a regularizer, which is not supported; use weight decay');
  const fixed = layer.weights.filter(({ trainable }) => !trainable).map(lastName);
  if (fixed.length > 0)
    refuse(
      `has weights that are not trained (${fixed.join(', ')}), which is not supported; normalise by LayerNormalization, freeze nothing`,
    );
  const constrained = layer.weights.filter((weight) => (weight as { constraint?: unknown }).constraint).map(lastName);
  if (constrained.length > 0) refuse(`has a constraint on ${constrained.join(', ')}, which is not supported`);
  if (layer.layer) check(layer.layer, path);
}

const lastName = ({ originalName }: { readonly originalName: string }) =>
  originalName.slice(originalName.lastIndexOf('/') + 1);
