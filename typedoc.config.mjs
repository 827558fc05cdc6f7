import { spawnSync } from 'node:child_process';

/** Without a remote there is nowhere for links to sources to lead. */
const hasRemote = spawnSync('git', ['remote', 'get-url', 'origin'], { stdio: 'ignore' }).status === 0;

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'ddpm',
  entryPointStrategy: 'packages',
  entryPoints: ['packages/!(onnxruntime)', 'apps/trainer', 'apps/sampler', 'apps/evaluator'],
  plugin: ['./scripts/typedoc-options.mjs'],
  out: 'docs/api',
  customCss: './scripts/typedoc.css',
  displayBasePath: '.',
  treatWarningsAsErrors: true,
  externalSymbolLinkMappings: {
    '@tensorflow/tfjs-core': {
      '*': 'https://js.tensorflow.org/api/latest/',
    },
  },
  packageOptions: {
    entryPoints: ['src/index.ts'],
    compilerOptions: {
      paths: {
        '@ddpm/checkpoint/*': ['./packages/checkpoint/src/*.ts'],
        '@ddpm/diffusers/*': ['./packages/diffusers/src/*.ts'],
        '@ddpm/images/*': ['./packages/images/src/*.ts'],
        '@ddpm/safetensors/*': ['./packages/safetensors/src/*.ts'],
        '@ddpm/torch-file/*': ['./packages/torch-file/src/*.ts'],
        '@ddpm/unet/*': ['./packages/unet/src/*/index.ts'],
        '@ddpm/*': ['./packages/*/src/index.ts'],
      },
    },
    skipErrorChecking: true,
    excludePrivate: true,
    disableSources: !hasRemote,
    excludeInternal: true,
    validation: {
      notDocumented: true,
      notExported: true,
    },
    sort: ['kind', 'instance-first', 'source-order'],
    requiredToBeDocumented: ['Variable', 'Function', 'Class', 'Interface', 'Method', 'TypeAlias'],
  },
};
