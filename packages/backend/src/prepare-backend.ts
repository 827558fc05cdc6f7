import { registerGradients } from '@ddpm/gradients';
import type { Absence } from './absence';
import type { BackendName, BackendOptions } from './backends';
import { backends } from './backends';

/** The backend that `prepareBackend` chose. */
export interface PreparedBackend {
  /** The backend that is tfjs's now. */
  readonly name: BackendName;
  /** One line that says which it is and why, to be shown. */
  readonly reason: string;
}

/** A backend that cannot be used here. The message is one line that says why, and the way out. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
  /** One line that says why, such as 'tfjs-node is not installed'. */
  readonly reason: string;

  constructor(backend: BackendName, { why, wayOut }: Absence) {
    super(`Backend ${backend} is ${why}. ${wayOut}`);
    this.reason = `${backend} is ${why}`;
  }
}

/** The backends that `auto` tries, best first. The GPU through WebGPU is left to be asked for. */
const preference = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const satisfies readonly BackendName[];

/**
 * Makes one of tfjs's backends the current one, ready for training; `auto` takes the first that works of tfjs-node-gpu
 * (where it sees a CUDA device), tfjs-node, wasm and cpu. tfjs-node, tfjs-node-gpu and webgpu are used where their
 * packages are installed. On all of them, tfjs's gradients are completed by those of @ddpm/gradients.
 * @throws RangeError if there is no such backend; BackendError if it cannot be used.
 */
export async function prepareBackend(
  name: BackendName | 'auto',
  options: BackendOptions = {},
): Promise<PreparedBackend> {
  registerGradients();
  if (name === 'auto') return firstThatStarts(preference, (candidate) => backends[candidate](options));
  if (!Object.hasOwn(backends, name)) {
    throw new RangeError(
      `prepareBackend: unknown backend "${name}"; expected one of auto, ${Object.keys(backends).join(', ')}`,
    );
  }
  const absence = await backends[name](options);
  if (absence) throw new BackendError(name, absence);
  return { name, reason: `Backend: ${name} (as asked)` };
}

/** The first of `names` whose `start` has nothing to say against it, and what the ones before it said. */
export async function firstThatStarts(
  names: readonly BackendName[],
  start: (name: BackendName) => Promise<Absence | undefined>,
): Promise<PreparedBackend> {
  const passedOver = new Map<string, BackendName[]>();
  for (const name of names) {
    const absence = await start(name);
    if (!absence) {
      const reasons = Array.from(
        passedOver,
        ([said, those]) => `${those.join(' and ')} ${those.length > 1 ? 'are' : 'is'} ${said}`,
      );
      return { name, reason: `Backend: ${name} (${reasons.join('; ') || 'the best there is'})` };
    }
    passedOver.set(absence.why, [...(passedOver.get(absence.why) ?? []), name]);
  }
  throw new Error(
    `No backend works: ${Array.from(passedOver, ([why, those]) => `${those.join(' and ')}: ${why}`).join('; ')}`,
  );
}
