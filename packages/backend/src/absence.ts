/** Why a backend cannot be used. */
export interface Absence {
  /** The end of a sentence that begins with the backend's name and "is" or "are". */
  readonly why: string;
  /** Advice about it: a sentence without its full stop. */
  readonly wayOut: string;
}

/** `process.versions.node` where this runs in Node. */
export const nodeVersion = typeof process !== 'undefined' && process.versions?.node ? process.versions.node : undefined;

/** Whether this runs in Node. */
export const inNode = nodeVersion !== undefined;

/**
 * Imports a package that only some people install. Returns why it cannot be used; nothing where it was imported.
 * @param advice what to do where it is not installed, and what else it needs
 */
export async function importOptional(specifier: string, advice: string): Promise<Absence | undefined> {
  try {
    // A variable, and the comments for bundlers: a package that is not there must not stop a bundle from being made.
    await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier);
    return undefined;
  } catch (error) {
    return absenceFrom(specifier, advice, error as ImportError, nodeVersion);
  }
}

type ImportError = Pick<Error, 'message'> & { readonly code?: string };

/** The libraries of CUDA that tfjs-node-gpu has to find. */
export const cudaAdvice =
  'It needs an NVIDIA GPU, its driver, CUDA 11.2 and cuDNN 8.1 on Linux or Windows, with their libraries where the system looks for them (LD_LIBRARY_PATH, or PATH on Windows)';

/**
 * The meaning of an error from importing a package, or from first using it; `node` is Node's version, if this is Node.
 */
export function absenceFrom(
  specifier: string,
  advice: string,
  { code, message }: ImportError,
  node: string | undefined,
): Absence {
  const line = message.split('\n', 1)[0];
  const toGetIt = `To get it: ${advice}`;
  const rebuild = `Its install script must be allowed to run (pnpm approve-builds), then: npm rebuild ${specifier}`;

  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || node === undefined) {
    // The names of those who asked for it follow in the message.
    const missing = /'([^']+)'/.exec(line)?.[1];
    if (missing === specifier || (node === undefined && message.includes(specifier)))
      return { why: 'not installed', wayOut: toGetIt };
    const requirer = packageOf(/(?:Require stack:\s*- |imported from )(.*)/.exec(message)?.[1]);
    if (missing && requirer && /^(@[\w.-]+\/)?[\w.-]+$/.test(missing)) {
      return {
        why: `installed, but ${requirer} does not find ${missing}, which it requires without declaring it`,
        wayOut: `npm install ${missing}, or under pnpm, whose packages see only what they declare, add packageExtensions: {"${requirer}": {dependencies: {"${missing}": "*"}}} to pnpm-workspace.yaml and install again`,
      };
    }
  }
  if (/is(NullOrUndefined|Array)\)? is not a function/.test(line)) {
    return {
      why: `unable to run on Node ${node} (${line})`,
      wayOut: 'Use Node 20 or 22: it calls what Node 23 removed',
    };
  }
  if (code === 'ERR_DLOPEN_FAILED' || /cannot open shared object file|specified module could not be found/.test(line)) {
    const library = /[\w+-]+(\.so|\.dylib|\.dll)[\w.]*/i.exec(line)?.[0] ?? '';
    if (/cu(da|dnn|blas|fft|rand|solver|sparse|pti)|nccl|nvrtc|nvinfer/i.test(library)) {
      return { why: `unable to load ${library}, a library of CUDA`, wayOut: cudaAdvice };
    }
    return { why: `unable to load its native library (${line})`, wayOut: rebuild };
  }
  if (message.includes('tfjs_binding.node')) {
    return { why: 'installed without the native library that its install script downloads', wayOut: rebuild };
  }
  return { why: `unable to load (${line})`, wayOut: toGetIt };
}

/** The package that a file belongs to. */
function packageOf(path = ''): string | undefined {
  return path
    .replaceAll('\\', '/')
    .split('/node_modules/')
    .slice(1)
    .at(-1)
    ?.match(/^(@[^/]+\/)?[^/]+/)?.[0];
}
