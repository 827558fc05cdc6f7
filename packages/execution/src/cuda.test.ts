import { expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binaries, loadAll, neededBy, prepareCuda, within } from './cuda';

const testOnLinux = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip;
const providers = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
/** Does something with a folder in which wheels are installed, as far as their libraries go. */
function withWheels(version: string, use: (places: string[], beside: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-cuda-'));
  const [site, beside] = [join(folder, 'site'), join(folder, 'lib', 'bin', 'napi-v6', 'linux', 'x64')];
  for (const path of [
    'onnxruntime/capi',
    `onnxruntime_gpu-${version}.dist-info`,
    'nvidia/cu13/lib',
    'nvidia/cudnn/lib',
  ])
    mkdirSync(join(site, path), { recursive: true });
  mkdirSync(beside, { recursive: true });
  mkdirSync(join(folder, 'lib', 'lib'));
  writeFileSync(join(folder, 'lib', 'lib', 'version.js'), "exports.version = '1.30.0';\n");
  for (const name of providers)
    symlinkSync(join(binaries(), 'libonnxruntime.so.1'), join(site, 'onnxruntime', 'capi', name));
  try {
    use(within(site), beside);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

testOnLinux('puts the libraries of a wheel of the same version beside ONNX Runtime, and names what they lack', () => {
  withWheels('1.30.0', (places, beside) => {
    expect(prepareCuda(beside, [])).toBe(
      `${providers.join(' and ')} are missing in ${beside}: pip install "onnxruntime-gpu[cuda,cudnn]==1.30.0", or name a folder that has them in DDPM_CUDA`,
    );
    expect(prepareCuda(beside, places)).toMatch(/^libcudnn\.so\.9 is missing, which ONNX Runtime's library for CUDA/);
    expect(providers.every((name) => existsSync(join(beside, name)))).toBe(true);
    // A file that is none is not passed over.
    writeFileSync(
      join(
        places.find((place) => place.endsWith('cudnn/lib'))!,
        'libcudnn.so.9',
      ),
      'no library',
    );
    expect(prepareCuda(beside, places)).toMatch(/libcudnn\.so\.9 does not load \(.*libcudnn\.so\.9: /);
  });
  withWheels('1.31.1', (places, beside) => {
    expect(prepareCuda(beside, places)).toMatch(/: onnxruntime-gpu 1\.31\.1 is installed, and must be 1\.30\.0, or/);
    expect(existsSync(join(beside, providers[0]))).toBe(false);
  });
});

testOnLinux('reads what a library needs, loads it, and names all that are missing in one line', () => {
  expect(neededBy(join(binaries(), 'onnxruntime_binding.node'))).toEqual(
    expect.arrayContaining(['libonnxruntime.so.1', 'libc.so.6']),
  );
  expect(loadAll(['libonnxruntime.so.1'], [binaries()])).toBeUndefined();
  expect(loadAll(['libabsent.so.1', 'libcublasLt.so.99'], [])).toMatch(/^libabsent\.so\.1 and libcublasLt\.so\.99 are missing, /); // prettier-ignore
  expect(loadAll(['libcuda.so.1'], ['/nowhere']) ?? "there is no driver of NVIDIA's").toMatch(
    /there is no driver of NVIDIA's$/,
  );
});
