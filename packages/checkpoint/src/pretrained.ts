import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { locatePackage } from './network';

/**
 * The checkpoint of a pretrained model: `fashion-mnist` is that of the package `@ddpm/pretrained-fashion-mnist`, which
 * exports its place as `checkpoint`, a file URL. A package of another name is named whole.
 * @param options.bases folders or files from which packages are looked up, in turn, after the current folder
 * @throws Error in one line that says what to install where there is no such package, or that it is none of this kind
 */
export async function pretrainedCheckpoint(
  name: string,
  { bases = [] }: { bases?: readonly string[] } = {},
): Promise<string> {
  const named = /[@/]/.test(name) ? name : `@ddpm/pretrained-${name}`;
  const url = locatePackage(named, ['package.json', ...bases]);
  if (url === undefined)
    throw new Error(`there is no pretrained model ${name}: ${named} is not installed (npm install ${named})`);
  const { checkpoint } = (await import(url)) as { checkpoint?: URL };
  if (checkpoint?.protocol !== 'file:' || !existsSync(checkpoint))
    throw new Error(`${named} should export a checkpoint, the URL of a file that is there, but does not`);
  return fileURLToPath(checkpoint);
}
