import { checkpoint as garments } from '@ddpm/pretrained-fashion-mnist';
import { checkpoint as portraits } from '@ddpm/pretrained-pixel-art';
import { Remote } from './rpc';
import type { ModelFacts } from './workers/draw';

/** The worker that draws; it starts when it is first needed. */
let remote: Remote | undefined;
export const drawing = (): Remote =>
  (remote ??= new Remote(new Worker(new URL('./workers/draw.ts', import.meta.url), { type: 'module' })));

/** The models that come with the page. */
export const pretrained = { garments, portraits };

let loaded: { readonly key: string; readonly facts: Promise<ModelFacts> } | undefined;

interface Runtime {
  readonly device?: string;
  readonly threads?: number;
}

async function fetched(url: string | URL, tell: (status: string) => void): Promise<Uint8Array> {
  const failed = (reason: string) => new Error(`${url} cannot be fetched: ${reason}`);
  const response = await fetch(url).catch((error: Error) => {
    throw failed(error.message);
  });
  if (!response.ok) throw failed(`${response.status} ${response.statusText}`);
  let [received, told] = [0, 0];
  const counted = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        received += chunk.length;
        if (performance.now() - told > 100) tell(`Loading the model: ${(received / 1e6).toFixed(1)} MB …`);
        if (performance.now() - told > 100) told = performance.now();
        controller.enqueue(chunk);
      },
    }),
  );
  const bytes = await new Response(counted).arrayBuffer().catch((error: Error) => {
    throw failed(error.message);
  });
  tell('Preparing the network …');
  return new Uint8Array(bytes);
}

/** The model at an address, loaded once; `tell` hears how far that is. */
export function modelAt(url: string | URL, runtime: Runtime, tell: (status: string) => void): Promise<ModelFacts> {
  const key = JSON.stringify([url, runtime]);
  if (loaded?.key !== key) {
    const facts = fetched(url, tell).then((bytes) =>
      drawing()
        .ask<ModelFacts>('load', { bytes, ...runtime })
        .catch((error: Error) => {
          throw new Error(`${url} cannot be used: ${error.message}`);
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

/** The link's settings of what runs it: `device=webgpu`, `threads=2`. */
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
