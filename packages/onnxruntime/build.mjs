// Copies the binaries and the JavaScript of onnxruntime-node, which the lockfile fixes, into dist/bin and dist/lib.
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const { resolve } = createRequire(import.meta.url);
const upstream = dirname(dirname(resolve('onnxruntime-node')));
const mark = join('lib', 'version.js');
const version = (folder, path) => existsSync(join(folder, path)) && readFileSync(join(folder, path), 'utf8');

// 300 MB are copied only when they have to be; what marks a whole copy is written last.
if (version('dist', mark) !== version(upstream, join('dist', 'version.js'))) {
  rmSync('dist', { recursive: true, force: true });
  cpSync(join(upstream, 'bin'), join('dist', 'bin'), { recursive: true });
  cpSync(join(upstream, 'dist'), join('dist', 'lib'), { recursive: true, filter: (path) => !path.endsWith('.map') });
}
