import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Options } from 'tsup';
import base from '../../tsup.base';

const web = fileURLToPath(new URL('src/web', import.meta.url));

/** For pages: a module in src/web stands for the one of the same name that needs Node. */
const inPages: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'in-pages',
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\// }, ({ path, importer }) => {
      const instead = join(web, `${basename(path)}.ts`);
      return importer !== '' && dirname(importer) !== web && existsSync(instead) ? { path: instead } : undefined;
    });
  },
};

export default [
  { ...base, entry: { index: 'src/index.ts', worker: 'src/run/worker.ts' }, platform: 'node' as const },
  {
    ...base,
    entry: { index: 'src/web/index.ts', worker: 'src/web/worker.ts' },
    outDir: 'dist/web',
    // The first takes all of dist away.
    clean: false,
    dts: { ...base.dts, entry: { index: 'src/web/index.ts' } },
    platform: 'browser' as const,
    external: [...base.external, 'onnxruntime-web'],
    // A worker is found beside the module that starts it.
    splitting: false,
    esbuildPlugins: [inPages],
  },
];
