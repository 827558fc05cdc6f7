import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '@ddpm/random';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { writeWhole } from '../cache';
import { concurrently } from '../concurrent';
import type { Dataset } from '../dataset';
import { firstLine } from '../errors';
import { renderOnWhite } from '../sharp';
import type { Split } from '../split';
import type { Emoji } from './drawings';
import { openDrawings } from './drawings';
import { findPackages } from './packages';
import type { Installed } from './packages';
import { KEYWORDS, NAMES, VENDORS } from './vendors';

/** How many drawings are rendered at a time. */
const LANES = 4;
/** How many captions each picture has. */
const CAPTIONS = 6;
/** The shares that are held out: emoji altogether, and pairs of emoji and vendor. */
const [UNSEEN, UNSEEN_PAIR] = [0.05, 0.1];
/** A pair is held out where so many vendors draw the emoji, and the vendor so many emoji. */
const [VENDORS_OF_EMOJI, EMOJI_OF_VENDOR] = [5, 1000];

/** A rendered picture: whose drawing of which emoji. */
interface Item {
  readonly name: string;
  readonly slug: string;
  readonly vendor: string;
  readonly keywords: readonly string[];
}

/** All pictures of one size. */
interface Rendered {
  readonly items: readonly Item[];
  /** [n, size, size, 3]. */
  readonly pixels: Uint8Array;
}

/**
 * Emoji as eight vendors draw them, RGB on white, with captions of their names, keywords and the vendor's style. The
 * packages that hold them are rendered by sharp once, which takes a minute, and kept in the cache folder. `test` has the
 * emoji that no other split has, `held-out` the pairs of emoji and vendor that `train` lacks.
 * @param options.size height and width; 32 by default
 * @param options.from folders from which the packages are looked up
 * @param options.minimum how many emoji a vendor must draw for some of its pairs to be held out; 1,000 by default
 * @throws Error, one line that says which packages to install
 */
export async function openEmoji({
  split = 'train',
  size = 32,
  from,
  cacheDir,
  minimum = EMOJI_OF_VENDOR,
}: {
  split?: Split;
  size?: number;
  from: readonly string[];
  cacheDir: string;
  minimum?: number;
}): Promise<Dataset> {
  const packages = await findPackages(from);
  const { items, pixels } = await cached(packages, size, cacheDir);
  const bytes = size * size * 3;
  const splits = splitsOf(items, minimum);
  const own = Array.from(items.keys()).filter((i) => splits[i] === split);
  return {
    size: own.length,
    shape: [size, size, 3],
    image: (i) => pixels.subarray(own[i] * bytes, (own[i] + 1) * bytes),
    captions: (i) => captionsOf(items[own[i]]),
  };
}

/** The pictures from the cache folder, or rendered anew. */
async function cached(packages: ReadonlyMap<string, Installed>, size: number, cacheDir: string): Promise<Rendered> {
  const versions = [...packages].map(([name, { version }]) => `${name}@${version}`).join();
  const key = createHash('sha256').update(versions).digest('hex').slice(0, 12);
  const path = join(cacheDir, 'emoji', `${size}-${key}.safetensors`);
  try {
    const { tensors, metadata } = readSafetensors(await readFile(path));
    return { items: JSON.parse(metadata.items) as Item[], pixels: tensors.get('pixels')!.data as Uint8Array };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Error(`emoji: ${path}: ${firstLine(error)}; remove it, and it is made again`, { cause: error });
  }
  const { items, pixels } = await render(packages, size);
  const tensors = new Map([['pixels', { shape: [items.length, size, size, 3], data: pixels }]]);
  await writeWhole(path, writeSafetensors(tensors, { items: JSON.stringify(items) }));
  return { items, pixels };
}

/** Every vendor's drawing of every emoji; of those that are alike to the pixel, the first. */
async function render(packages: ReadonlyMap<string, Installed>, size: number): Promise<Rendered> {
  const emoji = await readEmoji(packages);
  const jobs: { item: Item; read: () => Promise<Uint8Array>; width?: number }[] = [];
  for (const vendor of VENDORS) {
    const drawings = await openDrawings(vendor, packages.get(vendor.package)!.folder);
    for (const one of emoji) {
      const drawing = drawings(one);
      const { name, slug, keywords } = one;
      if (drawing) jobs.push({ item: { name, slug, vendor: vendor.word, keywords }, ...drawing });
    }
  }
  const pictures = new Array<Uint8Array>(jobs.length);
  await concurrently(jobs.length, LANES, async (i) => {
    const { item, width, read } = jobs[i];
    try {
      pictures[i] = await renderOnWhite(await read(), { size, width });
    } catch (error) {
      throw new Error(`emoji: ${item.vendor} ${item.name}: ${firstLine(error)}`, { cause: error });
    }
  });
  const seen = new Set<string>();
  const kept = pictures.flatMap((picture, i) => {
    const hash = createHash('sha256').update(picture).digest('base64');
    if (seen.has(hash)) return [];
    seen.add(hash);
    return [i];
  });
  return { items: kept.map((i) => jobs[i].item), pixels: Buffer.concat(kept.map((i) => pictures[i])) };
}

async function readEmoji(packages: ReadonlyMap<string, Installed>): Promise<Emoji[]> {
  const json = async <T>(name: string, file: string) =>
    JSON.parse(await readFile(join(packages.get(name)!.folder, file), 'utf8')) as T;
  const names = await json<Readonly<Record<string, { name: string; slug: string }>>>(NAMES, 'data-by-emoji.json');
  const words = await json<Readonly<Record<string, readonly string[] | undefined>>>(KEYWORDS, 'dist/emoji-en-US.json');
  return Object.entries(names).map(([character, { name, slug }]) => ({
    character,
    name,
    slug: slug.replace(/_/g, '-'),
    keywords: (words[character] ?? []).map((word) => word.replace(/_/g, ' ')).filter((word) => word !== name),
  }));
}

/** Which split each picture is of. What is held out follows from the names alone. */
function splitsOf(items: readonly Item[], minimum: number): Split[] {
  const count = (of: (item: Item) => string) => {
    const counts = new Map<string, number>();
    for (const item of items) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1);
    return counts;
  };
  const [vendorsOf, emojiOf] = [count(({ slug }) => slug), count(({ vendor }) => vendor)];
  return items.map(({ slug, vendor }) => {
    if (new Random(['emoji', slug]).uniform() < UNSEEN) return 'test';
    const enough = vendorsOf.get(slug)! >= VENDORS_OF_EMOJI && emojiOf.get(vendor)! >= minimum;
    return enough && new Random(['emoji', slug, vendor]).uniform() < UNSEEN_PAIR ? 'held-out' : 'train';
  });
}

/** The vendor's style and the name; then the name, with the style or without, and up to three keywords. */
function captionsOf({ name, slug, vendor, keywords }: Item): string[] {
  const rng = new Random(['emoji', slug, vendor, 'captions']);
  const others = Array.from({ length: CAPTIONS - 1 }, () => {
    const some = rng.shuffle([...keywords]).slice(0, 1 + rng.integer(3));
    return [rng.uniform() < 0.7 ? `${vendor} ${name}` : name, ...some].join(', ');
  });
  return [`${vendor} ${name}`, ...others];
}
