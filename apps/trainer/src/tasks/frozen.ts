import type { Checkpoint } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';

/**
 * A network's variables by the names of checkpoints: those that are trained, and those that are not, with their values.
 * @param weights of a checkpoint, which those that are not trained are given
 */
export function variablesOf(
  denoiser: Network,
  weights?: Checkpoint['weights'],
): {
  readonly all: Variables;
  readonly parameters: Variables;
  readonly frozen: Variables;
  readonly kept: Checkpoint['weights'];
} {
  const all = namedParameters({ denoiser });
  const isFrozen = (name: string) => (denoiser.frozen ?? []).some((field) => name.startsWith(`denoiser.${field}.`));
  const frozen = new Map([...all].filter(([name]) => isFrozen(name)));
  if (weights) loadParameters(Object.fromEntries(frozen), new Map([...weights].filter(([name]) => frozen.has(name))));
  return {
    all,
    parameters: new Map([...all].filter(([name]) => !isFrozen(name))),
    frozen,
    kept: valuesOf(frozen),
  };
}

/** The values of variables, as a checkpoint has them. */
export const valuesOf = (variables: Variables): Checkpoint['weights'] =>
  new Map(
    [...variables].map(([name, variable]) => [name, { shape: variable.shape, data: variable.dataSync<'float32'>() }]),
  );
