import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, writeFileAtomic } from '@ddpm/checkpoint';
import type { Agreement } from '@ddpm/datasets';
import type { Measures } from '@ddpm/evaluation';

/** How images were drawn. */
export interface How {
  readonly sampler: string;
  readonly steps: number;
  readonly spacing: string;
  readonly eta?: number;
  /** Where x_T comes from: standard, or matched to the images. */
  readonly prior: string;
  /** The prior that made CLIP's vectors of captions, of a decoder. */
  readonly vectors?: string;
  /** How much classes or captions count; 1, the model as it is, where it is missing. */
  readonly guidance?: number;
  /** The path of the classifier that guided, where one did. */
  readonly classifier?: string;
}

/** The measures of one model, or of some pictures, with all that they depend on. */
export interface Result extends Measures {
  /** The model's or the pictures' path, as it was given. */
  readonly of: string;
  /** Steps that the model was trained. */
  readonly step?: number;
  readonly seed: number;
  readonly how?: How;
  /** Of a stage of a cascade: what drew the small pictures, and how they were made larger. */
  readonly cascade?: {
    /** A model, or real images. */
    readonly base: string;
    /** How much classes or captions count to the base. */
    readonly guidance?: number;
    /** How much noise the stage was given them with. */
    readonly augmentation?: number;
    /** Whether there was no stage, but bicubic interpolation. */
    readonly bicubic?: true;
  };
  readonly features: { readonly name: string; readonly hash: string; readonly width: number };
  readonly reference: { readonly dataset: string; readonly n: number };
  /** How far portraits show what was asked for, of a model that draws them from words. */
  readonly attributes?: {
    /** Of so many, each. */
    readonly n: number;
    /** Combinations of colours that training had. */
    readonly seen: Agreement;
    /** Combinations that training lacked. */
    readonly heldOut: Agreement;
    /** Attributes that are said in words that training never had. */
    readonly unseenWords: Agreement;
  };
  /** The measures of real images, as many. */
  readonly floor: Measures;
}

/** How images were made, as it is shown: by which vectors, the scale of guidance, what made large ones of small ones. */
export const variantOf = ({ how, cascade }: Pick<Result, 'how' | 'cascade'>): string[] => {
  const guidance = cascade ? cascade.guidance : how?.guidance;
  return [
    ...(cascade ? [`of ${cascade.base}`] : []),
    ...(how?.vectors === undefined ? [] : [`by ${how.vectors}`]),
    ...(guidance === undefined ? [] : [`guidance ${guidance}`]),
    ...(cascade?.bicubic ? ['bicubic'] : []),
    ...(cascade?.augmentation === undefined ? [] : [`augmentation ${cascade.augmentation}`]),
  ];
};

const FILE = 'evaluation.json';

/** Results that are of the same thing, of which the later one counts. */
const identity = ({ of, step, n, seed, how, cascade, features, reference }: Result) =>
  JSON.stringify([of, step, n, seed, how, cascade, features, reference]);

/**
 * The results in a folder; none where there is no file.
 * @throws Error in one line if the file is not what this program writes
 */
export async function readResults(folder: string): Promise<Result[]> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
  try {
    const results = JSON.parse(text) as Result[];
    if (!Array.isArray(results)) throw new Error('no list');
    return results;
  } catch (error) {
    throw new Error(`${path} is not a list of results; move it away`, { cause: error });
  }
}

/** Adds results to a folder's file, in place of earlier ones of the same. */
export async function addResults(folder: string, added: readonly Result[]): Promise<string> {
  const before = await readResults(folder);
  const names = new Set(added.map(identity));
  const all = [...before.filter((result) => !names.has(identity(result))), ...added];
  const path = join(folder, FILE);
  await writeFileAtomic(path, `${JSON.stringify(all, null, 2)}\n`);
  return path;
}

/** The measures of a result by the names that their curves have. */
export const curvesOf = ({
  frechetDistance,
  kernelDistance,
  precision,
  recall,
  classAccuracy,
}: Measures): Record<string, number> => ({
  'evaluation/frechetDistance': frechetDistance,
  'evaluation/kernelDistance': kernelDistance.value,
  'evaluation/precision': precision,
  'evaluation/recall': recall,
  ...(classAccuracy !== undefined && { 'evaluation/classAccuracy': classAccuracy }),
});
