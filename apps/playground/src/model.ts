import { checkpoint } from '@ddpm/pretrained-fashion-mnist';
import { Remote } from './rpc';
import type { ModelFacts } from './workers/draw';

/** The worker that draws; it starts when it is first needed. */
let remote: Remote | undefined;
export const drawing = (): Remote =>
  (remote ??= new Remote(new Worker(new URL('./workers/draw.ts', import.meta.url), { type: 'module' })));

let loaded: { readonly key: string; readonly facts: Promise<ModelFacts> } | undefined;

interface Runtime {
  readonly device?: string;
  readonly threads?: number;
}

async function fetched(url: string | URL): Promise<Uint8Array> {
  const response = await fetch(url).catch((error: Error) => {
    throw new Error(`${url} cannot be fetched: ${error.message}`);
  });
  if (!response.ok) throw new Error(`${url} cannot be fetched: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The model at an address, or the pretrained one; loaded once. */
export function modelAt(url: string | undefined, runtime: Runtime): Promise<ModelFacts> {
  const key = JSON.stringify([url, runtime]);
  if (loaded?.key !== key) {
    const facts = fetched(url ?? checkpoint).then((bytes) =>
      drawing()
        .ask<ModelFacts>('load', { bytes, ...runtime })
        .catch((error: Error) => {
          throw new Error(`${url ?? checkpoint} cannot be used: ${error.message}`);
        }),
    );
    loaded = { key, facts };
    facts.catch(() => (loaded = undefined));
  }
  return loaded.facts;
}

/** The model in a file. */
export function modelIn(file: File, runtime: Runtime): Promise<ModelFacts> {
  const facts = file
    .arrayBuffer()
    .then((buffer) => drawing().ask<ModelFacts>('load', { bytes: new Uint8Array(buffer), ...runtime }))
    .catch((error: Error) => {
      throw new Error(`${file.name} cannot be used: ${error.message}`);
    });
  void facts.then(
    () => (loaded = { key: file.name, facts }),
    () => {},
  );
  return facts;
}

/** What the link says of what runs it: `device=webgpu`, `threads=2`. */
export const runtimeOf = ({ device, threads }: Readonly<Record<string, string>>): Runtime => ({
  ...(device && { device }),
  ...(threads && { threads: Number(threads) }),
});

/** Whether WebGPU has a graphics processor here, and not software in its place. */
export async function hasAdapter(): Promise<boolean> {
  const { gpu } = navigator as {
    gpu?: { requestAdapter(): Promise<{ info?: { isFallbackAdapter?: boolean } } | null> };
  };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter !== null && adapter !== undefined && adapter.info?.isFallbackAdapter !== true;
}
