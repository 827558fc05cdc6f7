import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { concurrently } from './concurrent';
import { firstLine, shown } from './errors';
import type { ListedFile } from './list-files';

/** How many files are opened at a time. */
const LANES = 16;
/** Captions of many pictures, one JSON object a line: Hugging Face's imagefolder. */
const METADATA = 'metadata.jsonl';

/** Captions of pictures. */
export interface FolderCaptions {
  /** By the pictures' paths; one for each line of text. */
  readonly captions: ReadonlyMap<string, readonly string[]>;
  /** The paths of the files that have them. */
  readonly files: ReadonlySet<string>;
}

/**
 * Captions from a .txt beside a picture, of the same name, a caption a line, and from files called metadata.jsonl, whose
 * lines have the `file_name` of a picture, relative to their folder, and its `text`.
 * @param files all in a folder, pictures among them
 * @param pictures the paths of those that are pictures
 * @throws Error, one line, that names the file and the line: no JSON, a picture that is not there, two captions
 */
export async function readFolderCaptions(
  files: readonly ListedFile[],
  pictures: readonly string[],
): Promise<FolderCaptions> {
  const captions = new Map<string, readonly string[]>();
  const sources = new Map<string, string>();
  const add = (picture: string, texts: readonly string[], source: string) => {
    const other = sources.get(picture);
    if (other !== undefined) throw new Error(`${source}: ${picture} has a caption in ${other} already`);
    sources.set(picture, source);
    captions.set(picture, texts);
  };
  const used = new Set<string>();

  const known = new Set(pictures);
  const metadata = files.filter(({ names, what }) => what === 'file' && names.at(-1) === METADATA);
  for (const { path } of metadata) {
    const lines = linesOf(path, await readFile(path, 'utf8'));
    for (const [place, { file_name: name, text }] of lines) {
      if (text === undefined) continue;
      if (typeof text !== 'string') throw new Error(`${place}: text must be a string, got ${shown(text)}`);
      const picture = besides(path, name);
      if (!known.has(picture)) throw new Error(`${place}: ${shown(name)} is not a picture in this folder`);
      add(picture, [text.trim()], place);
      used.add(path);
    }
  }

  const stems = new Map<string, string[]>();
  for (const picture of pictures) stems.set(stemOf(picture), [...(stems.get(stemOf(picture)) ?? []), picture]);
  const texts = files.filter(({ path, what }) => what === 'file' && /\.txt$/i.test(path) && stems.has(stemOf(path)));
  await concurrently(texts.length, LANES, async (i) => {
    const { path } = texts[i];
    const content = await readFile(path, 'utf8').catch((error: unknown) => {
      throw new Error(`${path}: ${firstLine(error)}`, { cause: error });
    });
    const lines = content.split('\n').map((line) => line.trim());
    const own = lines.filter((line) => line !== '');
    for (const picture of stems.get(stemOf(path))!) add(picture, own.length > 0 ? own : [''], path);
    used.add(path);
  });
  return { captions, files: used };
}

/** A path without the extension. */
const stemOf = (path: string) => path.replace(/\.[^./\\]*$/, '');

/** The path of a file whose name is relative to the folder of another. */
const besides = (path: string, name: string) => join(dirname(path), ...name.split('/'));

/** The objects of a JSON-lines file, and where each stands. */
function linesOf(path: string, content: string): [place: string, { file_name: string; text?: unknown }][] {
  return content.split('\n').flatMap((line, i): [string, { file_name: string; text?: unknown }][] => {
    if (line.trim() === '') return [];
    const place = `${path}:${i + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new Error(`${place}: ${firstLine(error)}`, { cause: error });
    }
    const { file_name: name } = (value ?? {}) as { file_name?: unknown };
    if (typeof name !== 'string') throw new Error(`${place}: expected an object with file_name, a string`);
    return [[place, value as { file_name: string; text?: unknown }]];
  });
}
