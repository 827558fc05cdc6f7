import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';

/* ONNX Runtime's npm packages hold no libraries for CUDA. They are looked for, and put where it finds them. */

/** The variable that names folders. */
const variable = 'DDPM_CUDA';

/**
 * Finds ONNX Runtime's two libraries for CUDA, and those of CUDA and cuDNN that they need: in the folders that
 * `DDPM_CUDA` names, in the packages of the Python on `PATH`, and where the system has them.
 * @returns what is missing, in one line; undefined where nothing is
 */
export function prepareCuda(folder = binaries(), places = foldersToSearch()): string | undefined {
  const windows = process.platform === 'win32';
  if (!['linux', 'win32'].includes(process.platform) || process.arch !== 'x64')
    return 'only for Linux and Windows on x64';
  const [prefix, extension] = windows ? ['', 'dll'] : ['lib', 'so'];
  const ours = ['shared', 'cuda'].map((name) => `${prefix}onnxruntime_providers_${name}.${extension}`);
  const version = versionIn(folder);
  const other = places.flatMap(wheelsIn).find((found) => found !== version);
  const fitting = places.filter((place) => wheelsIn(place).every((found) => found === version));
  const missing = ours.filter((name) => !bringTo(folder, name, fitting));
  if (missing.length > 0) {
    return `${listed(missing)} missing in ${folder}: ${other === undefined ? `pip install "onnxruntime-gpu[cuda,cudnn]==${version}"` : `onnxruntime-gpu ${other} is installed, and must be ${version}`}, or name a folder that has them in ${variable}`;
  }
  if (windows) {
    // What a library needs is looked for where this says when it is loaded.
    process.env.PATH = [...places.filter((place) => /nvidia/i.test(place)), process.env.PATH].join(delimiter);
    return undefined;
  }
  return loadAll(
    [...neededBy(join(folder, ours[1])).filter((name) => /^lib(cu|nv)/.test(name)), 'libcudnn.so.9'],
    places,
  );
}

/** Puts a library beside ONNX Runtime's own, where alone it looks. */
function bringTo(folder: string, name: string, places: readonly string[]): boolean {
  const to = join(folder, name);
  if (existsSync(to)) return true;
  const from = places.map((place) => join(place, name)).find((path) => existsSync(path));
  if (from === undefined) return false;
  try {
    // A link to what is not there any more.
    rmSync(to, { force: true });
    if (process.platform === 'win32') copyFileSync(from, to);
    else symlinkSync(from, to);
    return true;
  } catch (error) {
    throw new Error(`${from} must lie in ${folder}, and cannot be put there (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/** The driver last, which no package has; and what others need first. */
const order = ['libcudart', 'libnvrtc', 'libcublasLt', 'libcublas', 'libcurand', 'libcufft', 'libcudnn', 'libcuda.'];
const rank = (name: string) => order.findIndex((prefix) => name.startsWith(prefix));

/**
 * Loads libraries for whatever needs them later, by name.
 * @returns those that are missing, in one line
 */
export function loadAll(names: readonly string[], places: readonly string[]): string | undefined {
  const missing: string[] = [];
  for (const name of [...names].sort((a, b) => rank(a) - rank(b))) {
    const path = places.map((place) => join(place, name)).find((file) => existsSync(file));
    const failure = load(path ?? name);
    if (failure === undefined) continue;
    if (path !== undefined) return `${path} does not load (${failure})`;
    missing.push(name);
  }
  if (missing.length === 0) return undefined;
  return missing.join() === 'libcuda.so.1'
    ? "libcuda.so.1 is missing: there is no driver of NVIDIA's"
    : `${listed(missing)} missing, which ONNX Runtime's library for CUDA needs: pip install "onnxruntime-gpu[cuda,cudnn]" of its version brings all, or name the folders that have them in ${variable}`;
}

/** Loads a library, which stays. @returns why that cannot be */
function load(path: string): string | undefined {
  // Of glibc: it is not unloaded when Node finds that it is no addon of its own.
  const RTLD_NODELETE = 0x1000;
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    const { message } = error as Error;
    if (!message.startsWith('Module did not self-register')) return message.split('\n', 1)[0];
  }
  return undefined;
}

/** Where libraries may be. */
function foldersToSearch(): string[] {
  const named = (process.env[variable] ?? '').split(delimiter).filter((folder) => folder !== '');
  const windows = process.platform === 'win32';
  const system = windows
    ? (process.env.PATH ?? '').split(delimiter)
    : [...(process.env.LD_LIBRARY_PATH ?? '').split(delimiter), '/usr/local/cuda/lib64', '/usr/lib/wsl/lib'];
  return [...[...named, ...pythonFolders()].flatMap(within), ...system.filter((folder) => folder !== '')];
}

/** A folder, and where in it wheels and CUDA's own installation have their libraries. */
export function within(folder: string): string[] {
  const nvidia = join(folder, 'nvidia');
  const components = existsSync(nvidia) ? readdirSync(nvidia).map((name) => join(nvidia, name)) : [];
  const libraries = [folder, ...components].flatMap((each) =>
    ['', 'lib', 'lib64', 'bin'].map((name) => join(each, name)),
  );
  return [...libraries, join(folder, 'onnxruntime', 'capi')].filter((path) => existsSync(path));
}

/** Where the Python on PATH has its packages; none without one. */
function pythonFolders(): string[] {
  const code =
    'import site, sysconfig; print("\\n".join([sysconfig.get_paths()["purelib"], site.getusersitepackages()]))';
  const found = ['python3', 'python']
    .map((command) => spawnSync(command, ['-c', code], { encoding: 'utf8', timeout: 10_000, windowsHide: true }))
    .find(({ status }) => status === 0);
  return found ? found.stdout.split(/\r?\n/).filter((line) => line !== '') : [];
}

/** Versions of onnxruntime-gpu whose libraries lie in a folder. */
function wheelsIn(place: string): string[] {
  if (basename(place) !== 'capi') return [];
  return readdirSync(join(place, '..', '..')).flatMap(
    (name) => /^onnxruntime_gpu-(.*)\.dist-info$/.exec(name)?.[1] ?? [],
  );
}

/** Where ONNX Runtime's library lies. */
export function binaries(): string {
  const compile = createRequire(import.meta.url).resolve('@ddpm/compile');
  const main = createRequire(compile).resolve('onnxruntime-node');
  const bin = join(dirname(main), '..', 'bin');
  const [napi] = readdirSync(bin);
  return join(bin, napi, process.platform, process.arch);
}

/** ONNX Runtime's version. */
function versionIn(folder: string): string | undefined {
  const file = join(folder, '..', '..', '..', '..', 'lib', 'version.js');
  return existsSync(file) ? /version = '([\d.]+)'/.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
}

/** The libraries that a 64-bit ELF file says it needs (System V ABI, the dynamic section). */
export function neededBy(path: string): string[] {
  const file = openSync(path, 'r');
  const read = (offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, offset);
    return bytes;
  };
  const word = (bytes: Buffer, at: number) => Number(bytes.readBigUInt64LE(at));
  try {
    const header = read(0, 64);
    const [each, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
    const table = read(word(header, 32), each * count);
    const segments = Array.from({ length: count }, (_, i) => table.subarray(i * each, (i + 1) * each)).map((bytes) => ({
      type: bytes.readUInt32LE(0),
      ...{ offset: word(bytes, 8), address: word(bytes, 16), size: word(bytes, 32) },
    }));
    const [LOAD, DYNAMIC, NEEDED, STRTAB] = [1, 2, 1, 5];
    const dynamic = segments.find(({ type }) => type === DYNAMIC);
    if (!dynamic) return [];
    const bytes = read(dynamic.offset, dynamic.size);
    const entries = Array.from({ length: bytes.length / 16 }, (_, i) => [word(bytes, 16 * i), word(bytes, 16 * i + 8)]);
    const address = entries.find(([tag]) => tag === STRTAB)?.[1] ?? 0;
    const load = segments.find(
      (one) => one.type === LOAD && one.address <= address && address < one.address + one.size,
    );
    if (!load) return [];
    const names = load.offset + address - load.address;
    return entries
      .filter(([tag]) => tag === NEEDED)
      .map(
        ([, at]) =>
          read(names + at, 256)
            .toString('latin1')
            .split('\0', 1)[0],
      );
  } finally {
    closeSync(file);
  }
}

const listed = (names: readonly string[]) =>
  names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are` : `${names[0]} is`;
