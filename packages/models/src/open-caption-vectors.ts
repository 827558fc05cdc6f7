import { stat } from 'node:fs/promises';
import { findCheckpoint, readCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import type { Execution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';
import type { CaptionVectors } from './caption-vectors';
import { compileDiffusionPrior, compileTextVectors } from './caption-vectors';
import type { LoadedClip } from './load-clip';
import type { Denoiser } from './load-denoiser';
import { loadDiffusionPrior } from './load-diffusion-prior';

/** Makes vectors of captions for a decoder, and says where it is from. */
export interface OpenedCaptionVectors extends CaptionVectors {
  /** One line that says what it is. */
  readonly description: string;
  /** Whether training left captions out now and then, which guidance needs. */
  readonly guidable: boolean;
}

/**
 * Opens what makes vectors of captions for a decoder.
 * @param options.path the run folder or the checkpoint of a diffusion prior of the same CLIP; without one the vectors are
 * CLIP's of the captions themselves
 * @param options.bases folders or files from which network packages are looked up
 * @throws Error in one line if there is no such prior, or it is of another CLIP; RangeError if the model is no decoder
 */
export async function openCaptionVectors(
  execution: Execution,
  { encoder, clip: known }: Pick<Denoiser, 'encoder' | 'clip'>,
  { path, bases }: { path?: string; bases?: readonly string[] } = {},
): Promise<OpenedCaptionVectors> {
  if (!encoder || !known) throw new RangeError("openCaptionVectors: the model decodes no CLIP's vectors");
  const { image, captions } = known;
  const clip: LoadedClip = { clip: encoder, parameters: namedParameters({ clip: encoder }), image, captions };
  if (path === undefined)
    return {
      ...(await compileTextVectors(execution, clip)),
      ...{ description: "CLIP's own vectors of captions", guidable: false },
    };
  const { prior, description } = await openPrior(path, clip, bases);
  return {
    ...(await compileDiffusionPrior(execution, prior)),
    ...{ description, guidable: prior.captions.dropout > 0 },
  };
}

async function openPrior(path: string, clip: LoadedClip, bases?: readonly string[]) {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const checkpoint = isFolder ? (await findCheckpoint(path)).checkpoint : await readCheckpoint(path);
    const prior = await loadDiffusionPrior(checkpoint, { run: isFolder ? path : runFolderOf(path), bases });
    if (!areEqual(prior.clip.parameters, clip.parameters))
      throw new Error("it makes the vectors of another CLIP than the decoder's");
    return { prior, description: `${checkpoint.networks.prior.name} after ${checkpoint.step} steps` };
  } catch (error) {
    throw new Error(`${path} cannot be used: ${reason(error)}`, { cause: error });
  }
}

const areEqual = (a: Variables, b: Variables): boolean =>
  a.size === b.size &&
  [...a].every(([name, variable]) => {
    const other = b.get(name)?.dataSync();
    return other && variable.dataSync().every((value, i) => value === other[i]);
  });
