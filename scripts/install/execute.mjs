import { execFile } from 'node:child_process';
import { dirname, delimiter } from 'node:path';

const windows = process.platform === 'win32';

/**
 * Runs a program: resolves to what it printed, and rejects with all that it said. `node` is the executable that comes
 * first on PATH.
 */
export function execute(program, args, { cwd, env = {}, node = process.execPath, shell = false } = {}) {
  const PATH = [dirname(node), process.env.PATH].join(delimiter);
  return new Promise((resolve, reject) => {
    execFile(
      program === 'node' ? node : program,
      args,
      { cwd, env: { ...process.env, PATH, ...env }, shell, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) =>
        error
          ? reject(new Error(`${program} ${args.join(' ')}: ${error.signal ?? error.code}\n${stdout}${stderr}`))
          : resolve(stdout),
    );
  });
}

/** Runs npm or npx, which are .cmd files on Windows. */
export const npm = (args, options) => execute('npm', args, { ...options, shell: windows });
export const npx = (args, options) => execute('npx', args, { ...options, shell: windows });
