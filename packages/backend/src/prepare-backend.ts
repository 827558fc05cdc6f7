import { registerGradients } from '@ddpm/gradients';
import type { BackendName, BackendOptions } from './backends';
import { backends } from './backends';

/** What `prepareBackend` did. */
export interface PreparedBackend {
  /** The backend that is tfjs's now. */
  readonly name: BackendName;
  /** One line that says which it is and why, to be shown. */
  readonly reason: string;
}

/** What `auto` tries, best first. The GPU through WebGPU is left to be asked for. */
const preference = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const satisfies readonly BackendName[];

/**
 * Makes one of tfjs's backends the current one, ready for training; `auto` takes the first that works of tfjs-node-gpu (where it sees a
 * CUDA device), tfjs-node, wasm and cpu. tfjs-node, tfjs-node-gpu and webgpu are used where their packages are installed. On all of them, tfjs's
 * gradients are completed by those of @ddpm/gradients.
 * @throws RangeError if there is no such backend; Error if it cannot be used, which says how to get it.
 */
export async function prepareBackend(name: BackendName | 'auto', options: BackendOptions = {}): Promise<PreparedBackend> {
  registerGradients();
  if (name === 'auto') return firstThatStarts(preference, (candidate) => backends[candidate].start(options));
  if (!Object.hasOwn(backends, name)) {
    throw new RangeError(`prepareBackend: unknown backend "${name}"; expected one of auto, ${Object.keys(backends).join(', ')}`);
  }
  const why = await backends[name].start(options);
  if (why) throw new Error(`Backend ${name} is ${why}. To get it: ${backends[name].advice}`);
  return { name, reason: `Backend: ${name} (as asked)` };
}

/** The first of `names` whose `start` has nothing to say against it, and what the ones before it said. */
export async function firstThatStarts(
  names: readonly BackendName[],
  start: (name: BackendName) => Promise<string | undefined>,
): Promise<PreparedBackend> {
  const passedOver = new Map<string, BackendName[]>();
  for (const name of names) {
    const why = await start(name);
    if (!why) {
      const reasons = Array.from(passedOver, ([said, those]) => `${those.join(' and ')} ${those.length > 1 ? 'are' : 'is'} ${said}`);
      return { name, reason: `Backend: ${name} (${reasons.join('; ') || 'the best there is'})` };
    }
    passedOver.set(why, [...(passedOver.get(why) ?? []), name]);
  }
  throw new Error(`No backend works: ${Array.from(passedOver, ([why, those]) => `${those.join(' and ')}: ${why}`).join('; ')}`);
}
