// npm run playground: sets everything up, builds the page, and serves it on this machine alone.
import { join } from 'node:path';
import { install, root, run, turbo } from './pnpm.mjs';

const app = join(root, 'apps', 'playground');
install();
turbo('build', '--filter=@ddpm/playground...');
run(process.execPath, [join(app, 'node_modules', 'vite', 'bin', 'vite.js'), 'preview', ...process.argv.slice(2)], {
  cwd: app,
});
