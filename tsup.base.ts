import type { Options } from 'tsup';

export default {
  entry: ['src/index.ts'],
  format: 'esm',
  target: 'node20',
  platform: 'neutral',
  clean: true,
  // Built-in modules keep their `node:` names.
  removeNodeProtocol: false,
  external: [/^node:/],
  // tsup passes `baseUrl` to the declaration build, which TypeScript 6 deprecates.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
} satisfies Options;
