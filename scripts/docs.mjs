// npm run docs: the API of every package, from its docstrings and README, as a web site in docs/api. A warning is an
// error.
import { join } from 'node:path';
import { install, root, run } from './pnpm.mjs';

install();
run('typedoc', ['--logLevel', 'Warn'], { shell: process.platform === 'win32' });
console.log(`API documentation: ${join(root, 'docs', 'api', 'index.html')}`);
