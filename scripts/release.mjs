// npm run release: builds the packages and publishes, from GitHub Actions, those whose version the registry does not
// have.
// npm run release:check: does the same anywhere but the upload, and lists what each package would hold.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, pnpm, root, run, turbo } from './pnpm.mjs';

const check = process.argv.includes('--check');
const { GITHUB_ACTIONS, GITHUB_REPOSITORY, GITHUB_SERVER_URL = 'https://github.com' } = process.env;

/**
 * Provenance ties a package to the repository that it is built in, so its manifest must name that one, wherever the
 * project lives.
 */
function nameRepository() {
  const repository = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
  for (const folder of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, folder))) {
      const directory = `${folder}/${name}`;
      const path = join(root, directory, 'package.json');
      const manifest = {
        ...JSON.parse(readFileSync(path, 'utf8')),
        homepage: `${repository}/tree/main/${directory}#readme`,
        repository: { type: 'git', url: `git+${repository}.git`, directory },
        bugs: `${repository}/issues`,
      };
      writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
    }
  }
}

/** Lists what pnpm would upload. */
function dryRun() {
  const args = ['scripts/pnpm.mjs', '--recursive', 'publish', '--dry-run', '--no-git-checks', '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
  for (const { id, size, files } of JSON.parse(stdout)) {
    const paths = files.map(({ path }) => path);
    console.log(`${id}: ${Math.ceil(size / 1000)} kB\n  ${paths.join('\n  ')}`);
    for (const needed of ['LICENSE', 'README.md']) {
      if (paths.includes(needed)) continue;
      console.error(`${id}: ${needed} is missing`);
      process.exitCode = 1;
    }
  }
}

if (!check && !GITHUB_ACTIONS) {
  console.error(
    'release: packages are published from GitHub Actions alone, which vouches for where they come from; see CONTRIBUTING.md',
  );
  process.exit(1);
}
install();
turbo('check:package');
if (check) dryRun();
else {
  nameRepository();
  pnpm('--recursive', 'publish', '--provenance', '--no-git-checks');
  // The release workflow reads the tags from what this prints.
  run('changeset', ['tag'], { shell: process.platform === 'win32' });
}
