// Sets up and runs the named turbo tasks: node scripts/turbo.mjs build
import { install, turbo } from './pnpm.mjs';

install();
turbo(...process.argv.slice(2));
