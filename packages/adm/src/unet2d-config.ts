import { gelu, silu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from './res-block';

/** A `config.json` of one of diffusers' U-Nets, read as JSON; what is not in it has its class's default. */
export type Unet2dConfig = Readonly<Record<string, unknown>>;

export const activations: Readonly<Record<string, Activation>> = {
  silu,
  swish: silu,
  gelu,
  relu: (x) => tf.relu(x),
  mish: <T extends tf.Tensor>(x: T) => tf.mul<T>(x, tf.tanh(tf.softplus(x))),
};

/** Reads the options of one of diffusers' U-Nets; errors begin with its class's name. */
export class Options {
  constructor(readonly who: string) {}

  /** @throws RangeError that names an option whose value is not carried, and what is. */
  refuse(name: string, value: unknown, carried: string): never {
    throw new RangeError(`${this.who}: ${name} ${JSON.stringify(value)} is not carried, only ${carried}`);
  }

  /** @throws RangeError unless the value is one of those that are carried */
  oneOf<Value extends string>(name: string, value: unknown, carried: readonly Value[]): Value {
    const found = carried.find((each) => each === value);
    return found ?? this.refuse(name, value, carried.map((each) => JSON.stringify(each)).join(', '));
  }

  /** The function of each element that a name stands for. */
  activation(name: string): Activation {
    return activations[this.oneOf('act_fn', name.toLowerCase(), Object.keys(activations))];
  }

  /**
   * The options of a config, the class's defaults put in.
   * @param options.optional those that may be null
   * @param options.listed those of one value, which may be a list with one for each level instead
   * @throws RangeError that names an option that the class has not, or whose value is not of its kind
   */
  read<Config extends object>(
    given: Unet2dConfig,
    defaults: Config,
    { optional, listed = [] }: { optional: readonly string[]; listed?: readonly string[] },
  ): Config {
    const { who } = this;
    const { _class_name: name = who } = given;
    if (name !== who) throw new RangeError(`expected the config of a ${who}, got that of ${JSON.stringify(name)}`);
    const own = Object.entries(given).filter(([key]) => !key.startsWith('_'));
    const stranger = own.find(([key]) => !Object.hasOwn(defaults, key));
    if (stranger) throw new RangeError(`${who}: there is no option ${stranger[0]} (${JSON.stringify(stranger[1])})`);
    const config = { ...defaults, ...Object.fromEntries(own) };
    for (const [key, value] of Object.entries<unknown>(config)) {
      const fallback = (defaults as Record<string, unknown>)[key];
      const isOf = (one: unknown) =>
        fallback === null || (typeof one === typeof fallback && Array.isArray(one) === Array.isArray(fallback));
      const fits =
        value === null ? optional.includes(key) : isOf(value) || (listed.includes(key) && Array.isArray(value));
      if (!fits) throw new RangeError(`${who}: ${key} ${JSON.stringify(value)} makes no sense`);
    }
    return config;
  }

  /** @throws RangeError that names the first of these numbers that is no whole number of at least 1. */
  whole(sizes: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(sizes))
      if (!Number.isInteger(value) || (value as number) < 1)
        throw new RangeError(`${this.who}: ${key} must be a whole number of at least 1, got ${JSON.stringify(value)}`);
  }

  /** @throws RangeError unless the named lists of types have as many levels as there are widths. */
  levels(config: { readonly block_out_channels: readonly number[] }, ...names: readonly string[]): void {
    const levels = config.block_out_channels.length;
    for (const key of names) {
      const types = (config as unknown as Record<string, readonly unknown[]>)[key];
      if (types.length !== levels)
        throw new RangeError(
          `${this.who}: ${key} names ${types.length} levels, and block_out_channels ${levels}; they must be as many`,
        );
    }
  }

  /** @throws RangeError unless norms can have so many groups. */
  groups(groups: number, widths: readonly number[]): void {
    const unfit = widths.filter((width) => width % groups !== 0);
    if (unfit.length > 0)
      throw new RangeError(
        `${this.who}: norm_num_groups (${groups}) must divide every width, but not so ${unfit.join(', ')}`,
      );
  }
}
