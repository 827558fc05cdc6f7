import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { choose, defaultCacheDir } from '@ddpm/datasets';
import type { Moments } from '@ddpm/metrics';
import { moments } from '@ddpm/metrics';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import type { FeatureNetwork, Seen } from './feature-network';
import { see } from './feature-network';

/** Real images, as a feature network sees them. */
export interface Reference {
  /** As they are called. */
  readonly name: string;
  readonly images: Dataset;
  readonly seen: Seen;
  readonly moments: Moments;
  /** The beginning of the SHA-256 of their pixels and labels. */
  readonly hash: string;
}

/**
 * Real images, with what the network makes of them, which is kept for the next time.
 * @param options.cacheDir where it is kept; see `defaultCacheDir`
 * @param options.onProgress told how many images are done, where it was not kept
 */
export async function openReference(
  name: string,
  images: Dataset,
  network: FeatureNetwork,
  { cacheDir = defaultCacheDir(), onProgress }: { cacheDir?: string; onProgress?: (done: number) => void } = {},
): Promise<Reference> {
  network.fit(images);
  const hash = await hashOf(images);
  const path = keptAt(network, hash, cacheDir);
  const kept = await readSeen(path, images.size);
  const seen = kept ?? (await see(network, images, { onProgress }));
  if (!kept) await keep(path, encodeSeen(seen));
  return { name, images, seen, moments: moments(seen.features), hash };
}

/**
 * Whether what the network makes of real images was kept, so that `openReference` has it at once.
 * @param options.cacheDir where it is kept; see `defaultCacheDir`
 */
export async function isKept(
  images: Dataset,
  network: Pick<FeatureNetwork, 'hash'>,
  { cacheDir = defaultCacheDir() }: { cacheDir?: string } = {},
): Promise<boolean> {
  return existsSync(keptAt(network, await hashOf(images), cacheDir));
}

const keptAt = (network: Pick<FeatureNetwork, 'hash'>, hash: string, cacheDir: string) =>
  join(cacheDir, 'features', `${network.hash}-${hash}.safetensors`);

/** The images of these numbers, with what the network makes of them. */
export function part(reference: Reference, indices: Int32Array): Reference {
  const { images, seen } = reference;
  const rows = (data: Float32Array | Float64Array) => {
    const each = data.length / images.size;
    const out = new Float32Array(indices.length * each);
    indices.forEach((from, i) => out.set(data.subarray(from * each, (from + 1) * each), i * each));
    return out;
  };
  const features = { data: rows(seen.features.data), width: seen.features.width };
  return {
    ...reference,
    images: choose(images, indices),
    seen: { features, ...(seen.logits && { logits: rows(seen.logits) }) },
    moments: moments(features),
  };
}

/** Of those that were asked for. */
const hashes = new WeakMap<Dataset, Promise<string>>();

function hashOf(images: Dataset): Promise<string> {
  const known = hashes.get(images) ?? newHashOf(images);
  hashes.set(images, known);
  return known;
}

async function newHashOf(images: Dataset): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([images.size, images.shape, images.classNames ?? null]));
  for (let i = 0; i < images.size; i++) {
    hash.update(await images.image(i));
    if (images.label) hash.update(Int32Array.of(images.label(i)));
  }
  return hash.digest('hex').slice(0, 12);
}

function encodeSeen({ features, logits }: Seen): Uint8Array {
  const n = features.data.length / features.width;
  const tensor = (data: Float32Array | Float64Array) => ({ shape: [n, data.length / n], data });
  return writeSafetensors(
    new Map([['features', tensor(features.data)], ...(logits ? [['logits', tensor(logits)] as const] : [])]),
  );
}

/** The features that were kept; undefined where nothing usable was. */
async function readSeen(path: string, n: number): Promise<Seen | undefined> {
  try {
    const { tensors } = readSafetensors(await readFile(path));
    const [features, logits] = [tensors.get('features'), tensors.get('logits')];
    if (features?.dtype !== 'F32' || features.shape[0] !== n) return undefined;
    return {
      features: { data: features.data as Float32Array, width: features.shape[1] },
      ...(logits && { logits: logits.data as Float32Array }),
    };
  } catch {
    return undefined;
  }
}

/** Keeps what can be made again, unless it cannot be written. */
export async function keep(path: string, data: Uint8Array | string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await writeFileAtomic(path, data);
  } catch {
    // It will be made again.
  }
}
