import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Vendor } from './vendors';

/** An emoji: the character, its name in words (CLDR), and words that go with it. */
export interface Emoji {
  readonly character: string;
  readonly name: string;
  /** The name as one word, with hyphens. */
  readonly slug: string;
  readonly keywords: readonly string[];
}

/** A vendor's drawing of an emoji: the content of an SVG or a picture's file, and the width that it is drawn for. */
export interface Drawing {
  readonly width?: number;
  readonly read: () => Promise<Uint8Array>;
}

/** Finds a vendor's drawing of an emoji, if it has one. */
export type Drawings = (emoji: Emoji) => Drawing | undefined;

/** The drawings in a vendor's package. */
export function openDrawings({ kind }: Vendor, folder: string): Promise<Drawings> {
  return kind === 'iconify' ? openIconify(folder) : openPictures(join(folder, 'assets'));
}

/** Code points in hexadecimal, without the selector of the coloured form, which some names have and others lack. */
const codeOf = (points: readonly string[]) => points.filter((point) => point !== 'fe0f').join('-');
const pointsOf = (character: string) => [...character].map((one) => one.codePointAt(0)!.toString(16).padStart(4, '0'));

/** A set of Iconify's (https://iconify.design/docs/types/iconify-json.html). */
interface IconSet {
  readonly icons: Readonly<
    Record<string, { readonly body: string; readonly width?: number; readonly height?: number }>
  >;
  readonly aliases?: Readonly<
    Record<
      string,
      { readonly parent: string; readonly hFlip?: boolean; readonly vFlip?: boolean; readonly rotate?: number }
    >
  >;
  readonly width?: number;
  readonly height?: number;
}

async function openIconify(folder: string): Promise<Drawings> {
  const json = async <T>(name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as T;
  const set = await json<IconSet>('icons.json');
  const characters = await json<Readonly<Record<string, string>>>('chars.json').catch(() => ({}));
  const byCode = new Map(Object.entries(characters).map(([code, name]) => [codeOf(code.split('-')), name]));
  // Some sets write names without hyphens.
  const plain = new Map(
    [...Object.keys(set.icons), ...Object.keys(set.aliases ?? {})].map((name) => [name.replace(/-/g, ''), name]),
  );
  return ({ character, slug }) => {
    const name = byCode.get(codeOf(pointsOf(character))) ?? plain.get(slug.replace(/-/g, ''));
    const icon = name === undefined ? undefined : resolveIcon(set, name);
    return icon && { width: icon.width, read: () => Promise.resolve(new TextEncoder().encode(icon.svg)) };
  };
}

/** The SVG of a name, which may be another one's, turned round. */
function resolveIcon(set: IconSet, name: string): { svg: string; width: number } | undefined {
  const turns: string[] = [];
  let current = name;
  for (let depth = 0; !Object.hasOwn(set.icons, current); depth++) {
    const alias = set.aliases?.[current];
    if (!alias || depth > 8) return undefined;
    if (alias.hFlip) turns.push('translate(W 0) scale(-1 1)');
    if (alias.vFlip) turns.push('translate(0 H) scale(1 -1)');
    if (alias.rotate) turns.push(`rotate(${90 * alias.rotate} M N)`);
    current = alias.parent;
  }
  const icon = set.icons[current];
  const [width, height] = [icon.width ?? set.width ?? 16, icon.height ?? set.height ?? 16];
  const sizes: Readonly<Record<string, number>> = { W: width, H: height, M: width / 2, N: height / 2 };
  const transform = turns.join(' ').replace(/[WHMN]/g, (letter) => String(sizes[letter]));
  const body = transform === '' ? icon.body : `<g transform="${transform}">${icon.body}</g>`;
  const attributes = `xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 ${width} ${height}"`;
  return { svg: `<svg ${attributes} width="${width}" height="${height}">${body}</svg>`, width };
}

async function openPictures(folder: string): Promise<Drawings> {
  const files = await readdir(folder);
  const byCode = new Map(files.map((file) => [codeOf(file.replace(/\.[^.]*$/, '').split('-')), file]));
  return ({ character }) => {
    const file = byCode.get(codeOf(pointsOf(character)));
    return file === undefined ? undefined : { read: () => readFile(join(folder, file)) };
  };
}
