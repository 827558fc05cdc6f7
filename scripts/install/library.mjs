import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readmeExample } from '../readme-example.mjs';
import { execute, npm } from './execute.mjs';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const strict = { strict: true, skipLibCheck: false, noEmit: true, target: 'ES2022' };

/**
 * Installs one package into an empty project with the line in its README, and uses it as written there.
 * @param source the package's folder in the repository
 * @param olderTsc the compiler of the last TypeScript 5, if it is to be used too
 * @param cell notes what a consumer says: (column, test)
 * @param nodes the executables of the versions of Node to load it with
 */
export async function testLibrary({ manifest, source, folder, env, nodes, olderTsc, cell }) {
  const cwd = join(folder, manifest.name.split('/').at(-1));
  const { code, javascript, promised, needed } = readmeExample(source);
  const usesNode = /\bnode:|\bBuffer\b|\bprocess\b/.test(code);
  mkdirSync(cwd);
  const write = (name, content) =>
    writeFileSync(join(cwd, name), typeof content === 'string' ? content : JSON.stringify(content, undefined, 2));
  write('package.json', { private: true, type: 'module' });

  await cell('install', async () => {
    await npm(['install', ...needed], { cwd, env });
    if (usesNode) await npm(['install', '--save-dev', '@types/node@20'], { cwd, env });
  });

  const entries = Object.keys(manifest.exports ?? { '.': {} }).map((path) => manifest.name + path.slice(1));
  write('example.mjs', javascript);
  await cell('import', async () => {
    const printed = (await execute('node', ['example.mjs'], { cwd })).trimEnd().split('\n');
    assert.deepEqual(printed, promised);
    for (const node of nodes) await execute('node', ['--input-type=module', '--eval', imports(entries)], { cwd, node });
  });

  // Names alike, but for what an engine adds to either.
  write(
    'require.cjs',
    `const { deepEqual } = require('node:assert/strict');
const names = (module) => Object.keys(module).filter((name) => !['default', '__esModule', 'module.exports'].includes(name)).sort();
(async () => {
  for (const entry of ${JSON.stringify(entries)}) deepEqual(names(require(entry)), names(await import(entry)));
})();
`,
  );
  await cell('require', async () => {
    for (const node of nodes) await execute('node', ['require.cjs'], { cwd, node });
  });

  write('example.ts', code);
  write('entries.ts', imports(entries));
  write('entries.cts', imports(entries));
  const types = usesNode ? ['node'] : [];
  for (const [column, resolution, all] of [
    ['NodeNext', { module: 'NodeNext', moduleResolution: 'NodeNext' }, ['entries.ts', 'entries.cts']],
    ['Bundler', { module: 'ESNext', moduleResolution: 'Bundler' }, ['entries.ts']],
  ]) {
    await cell(column, async () => {
      write('tsconfig.json', { compilerOptions: { ...strict, ...resolution, types }, files: ['example.ts', ...all] });
      assert.deepEqual((await typeErrors(tsc, cwd)).filter(isOurs), []);
      if (!olderTsc) return;
      // tfjs-core's own declarations are free of errors too where lib.dom does not have WebGPU's types yet.
      write('tsconfig.json', { compilerOptions: { ...strict, ...resolution }, files: all });
      assert.deepEqual(await typeErrors(olderTsc, cwd), []);
    });
  }
}

/** The compiler's complaints, a line for each error. */
async function typeErrors(compiler, cwd) {
  const output = await execute('node', [compiler], { cwd }).catch(({ message }) => message);
  return output.split('\n').filter((line) => line.includes('error TS'));
}

/** TensorFlow.js's declarations contradict each other in strict mode, and its WebGPU types those of TypeScript 6. */
const isOurs = (error) => !/node_modules\/@(tensorflow|webgpu)\/|\/lib\.dom\.d\.ts/.test(error);

const imports = (entries) =>
  `${entries.map((entry, i) => `import * as m${i} from '${entry}';`).join('\n')}
for (const module of [${entries.map((_, i) => `m${i}`).join(', ')}]) if (Object.keys(module).length === 0) throw new Error('nothing exported');
`;
