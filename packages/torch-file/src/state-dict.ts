import { fail, show } from './bytes';
import type { TorchTensor } from './tensor';

/** The weights that a file holds. */
export interface StateDict {
  /** By name, without `prefix`. */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /** The keys by which they were found: `ema`, or `generator.state_dict`; empty where the file is the state_dict. */
  readonly at: string;
  /** The part that stood before every name and was taken off: `module.` */
  readonly prefix: string;
  /** The schedule beside a network that a whole diffusion process was saved with, by its own names, such as `betas`; empty without. */
  readonly schedule: ReadonlyMap<string, TorchTensor>;
  /** Names of what else lies beside them and is left out, such as `epoch`. */
  readonly others: readonly string[];
}

/** Keys that training programs keep weights under. Where there are several, the first: averages are what one samples with. */
const usual = [
  ...['ema', 'ema_model', 'ema_state_dict', 'model_ema', 'params_ema'],
  ...['state_dict', 'model_state_dict', 'model', 'module', 'network', 'net', 'params', 'weights'],
];
/** Prefixes that `DataParallel`, `torch.compile`, and classes that hold a network or its average put before every name. */
const wrappers = ['module.', '_orig_mod.', 'ema_model.', 'model.', 'denoise_fn.'];
/** The schedule that lucidrains' `GaussianDiffusion` keeps beside its network. */
const ofSchedule =
  /^(?:betas|alphas_cumprod|alphas_cumprod_prev|sqrt_\w+|log_one_minus_alphas_cumprod|posterior_\w+|p2_loss_weight|loss_weight)$/;

const MAX_DEPTH = 32;
const MAX_NAME = 500;
/** Names, and their characters together, without which objects that refer to one another have no end of them. */
const MAX_NAMES = 1_000_000;
const MAX_CHARACTERS = 20_000_000;

/**
 * The weights in what `readTorchFile` gives: those of a moving average if there are some, and otherwise the network's,
 * under the names that training programs use (`ema`, `state_dict`, `model`, …); then without what wrappers put before
 * every name (`module.`, `_orig_mod.`, `ema_model.`, `model.`, `denoise_fn.`); the schedule beside a network is
 * given apart from it.
 * @param options.at keys that lead to the weights, with dots between them, where others are meant
 * @param options.prefix takes only the tensors whose names begin with this, and takes that off
 * @throws Error if there are none, or several and none under a usual name: it lists where they are
 */
export function stateDict(value: unknown, { at, prefix }: { at?: string; prefix?: string } = {}): StateDict {
  const places = tensorPlaces(value);
  const [found, names] = at === undefined ? search(value, places) : [walk(value, at), at];
  const tensors = new Map<string, TorchTensor>();
  const others: string[] = [];
  flatten(found, tensors, others);
  if (tensors.size === 0) fail(names === '' ? 'the file holds no tensors by name' : `${show(names)} holds no tensors`);
  return { ...unwrapped(tensors, others, prefix), at: names };
}

/** The containers that hold tensors, at any depth. */
function tensorPlaces(value: unknown): ReadonlySet<unknown> {
  const places = new Set<unknown>();
  const visited = new Set<unknown>();
  const visit = (container: unknown, depth: number): boolean => {
    if (isTensor(container) || places.has(container)) return true;
    if (!isContainer(container) || depth > MAX_DEPTH || visited.has(container)) return false;
    visited.add(container);
    for (const [, item] of entriesOf(container)) if (visit(item, depth + 1)) places.add(container);
    return places.has(container);
  };
  visit(value, 0);
  return places;
}

function search(value: unknown, places: ReadonlySet<unknown>): [found: unknown, at: string] {
  const keys: string[] = [];
  for (let found = value; keys.length < MAX_DEPTH;) {
    if (!isContainer(found)) return [undefined, keys.join('.')];
    const items = [...entriesOf(found)].filter(([, item]) => places.has(item));
    const preferred = usual.flatMap((name) => items.filter(([key]) => key === name))[0];
    const direct = [...entriesOf(found)].some(([, item]) => isTensor(item));
    if (!preferred && (direct || items.length === 0)) return [found, keys.join('.')];
    if (!preferred && items.length > 1) {
      const listed = items.slice(0, 8).map(([key]) => show([...keys, key].join('.')));
      fail(`tensors are in ${listed.join(', ')}${items.length > 8 ? ', …' : ''}: say which are meant`);
    }
    const [key, item] = preferred ?? items[0];
    keys.push(key);
    found = item;
  }
  return fail(`tensors lie deeper than ${MAX_DEPTH} levels`);
}

/** The object at keys with dots between them, which may have dots themselves. */
function walk(value: unknown, at: string): unknown {
  for (let [found, rest] = [value, at]; ;) {
    if (rest === '') return found;
    const step = isContainer(found)
      ? [...entriesOf(found)].find(([key]) => rest === key || rest.startsWith(`${key}.`))
      : undefined;
    if (!step) {
      const keys = isContainer(found) ? [...entriesOf(found)].slice(0, 8).map(([key]) => show(key)) : [];
      return fail(`there is no ${show(rest)}${keys.length > 0 ? `, but ${keys.join(', ')}` : ''}`);
    }
    [found, rest] = [step[1], rest.slice(step[0].length + 1)];
  }
}

/** All tensors by their keys with dots between them, and the names of what else there is. */
function flatten(value: unknown, tensors: Map<string, TorchTensor>, others: string[]): void {
  let [visits, length] = [0, 0];
  const visit = (container: unknown, path: string, depth: number) => {
    if (!isContainer(container)) return;
    if (depth > MAX_DEPTH) fail(`objects of the file lie deeper than ${MAX_DEPTH} levels`);
    for (const [key, item] of entriesOf(container)) {
      const name = path + key;
      if (name.length > MAX_NAME) fail(`a name has more than ${MAX_NAME} characters: ${show(name)}`);
      if (++visits > MAX_NAMES || (length += name.length) > MAX_CHARACTERS) {
        fail('the objects of the file refer to one another too often');
      }
      if (isTensor(item)) {
        if (tensors.has(name)) fail(`two tensors are called ${show(name)}`);
        tensors.set(name, item);
      } else if (isContainer(item) && !isEmpty(item)) visit(item, `${name}.`, depth + 1);
      else others.push(name);
    }
  };
  visit(value, '', 0);
}

/** The tensors without what stands before all of their names, or of an average's beside the network that it follows. */
function unwrapped(
  all: ReadonlyMap<string, TorchTensor>,
  others: readonly string[],
  chosen?: string,
): Omit<StateDict, 'at'> {
  let [tensors, prefix, left] = [all, '', others];
  const schedule = new Map<string, TorchTensor>();
  const takeOff = (start: string) => {
    const inside = [...tensors].filter(([name]) => name.startsWith(start));
    for (const [name, tensor] of tensors) if (ofSchedule.test(name)) schedule.set(name, tensor);
    left = [...left, ...[...tensors.keys()].filter((name) => !name.startsWith(start))];
    tensors = new Map(inside.map(([name, tensor]) => [name.slice(start.length), tensor]));
    prefix += start;
  };
  if (chosen !== undefined) {
    if (![...all.keys()].some((name) => name.startsWith(chosen))) {
      fail(`no tensor's name begins with ${show(chosen)}; the first is ${show([...all.keys()][0])}`);
    }
    takeOff(chosen);
    return { tensors, prefix, schedule, others: left };
  }
  const has = (start: string) => [...tensors.keys()].some((name) => name.startsWith(start));
  // ema_pytorch keeps both, and their numbers of steps.
  if (has('ema_model.') && has('online_model.')) takeOff('ema_model.');
  for (;;) {
    const names = [...tensors.keys()].filter((name) => !ofSchedule.test(name));
    const wrapper = wrappers.find((start) => names.length > 0 && names.every((name) => name.startsWith(start)));
    if (wrapper === undefined) return { tensors, prefix, schedule, others: left };
    takeOff(wrapper);
  }
}

type Container = ReadonlyMap<unknown, unknown> | readonly unknown[];

const isContainer = (value: unknown): value is Container => value instanceof Map || Array.isArray(value);
const isEmpty = (value: Container) => (value instanceof Map ? value.size : (value as readonly unknown[]).length) === 0;
const isTensor = (value: unknown): value is TorchTensor =>
  typeof value === 'object' && value !== null && 'dtype' in value && 'shape' in value && 'data' in value;
function* entriesOf(value: Container): Generator<[key: string, item: unknown]> {
  for (const [key, item] of value.entries()) yield [nameOf(key), item];
}
const nameOf = (key: unknown): string =>
  typeof key === 'string' ? key : ['number', 'bigint', 'boolean'].includes(typeof key) ? String(key) : typeof key;
