import { fileURLToPath } from 'node:url';
import type { How } from '@ddpm/app-common';
import { UsageError } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import { toBytes } from '@ddpm/images';
import type { ClassifierGuidance, CompiledNetwork, Denoiser, DrawOptions, Guidance } from '@ddpm/models';
import {
  captionConditions,
  choosePrior,
  chooseSampler,
  classifierGuidance,
  compileLatents,
  compileNetwork,
  draw,
  knownCondition,
  labels,
  lowResCondition,
  openNoisedClassifier,
  withTextEncoder,
} from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import { part, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';

/** Which images to draw. */
export interface Wanted {
  readonly count: number;
  /** Of a model that takes words: what images are to show, in turn. */
  readonly captions?: readonly string[];
  /** How much classes or captions count; the model as it is, by default. */
  readonly guidance?: number;
  /** Of a stage of a cascade: how much noise is added to the small pictures, or that they are but made larger. */
  readonly enlarging?: Enlarging;
}

/** How small pictures become large ones: by a model, with so much noise added to them, or by bicubic interpolation. */
export type Enlarging = { readonly augmentation: number } | 'bicubic';

/** A model that is ready to draw. */
export interface Drawing {
  /** Missing where nothing is drawn. */
  readonly how?: How;
  /** How often a network is asked for a batch. */
  work(wanted: Wanted): number;
  /** About how long that takes, in seconds, by trying it once. */
  seconds(wanted: Wanted): Promise<number>;
  /**
   * @param onProgress told how often a network was asked so far
   * @param given conditions that a stage of a cascade is given
   */
  draw(wanted: Wanted, onProgress: (done: number) => void, given?: Batch): Promise<Dataset>;
  dispose(): Promise<void>;
}

/**
 * Prepares a model to draw images: of all its classes in turn, or of captions, where it takes them.
 * @throws Error in one line if it takes what nobody can give, or the sampler or the guidance does not fit it
 */
export async function prepareDrawing(
  opened: Denoiser,
  execution: Execution,
  { seed, batchSize, prior: asked, guidance: scales = [], textEncoder, classifier: path, ...choice }: Settings,
): Promise<Drawing> {
  if (textEncoder !== undefined && !opened.text)
    throw new UsageError('--text-encoder is of models that were trained with one');
  const denoiser = await withTextEncoder(opened, { execution, folder: textEncoder });
  const { network, parameters, image, parameterisation, levels } = denoiser;
  checkConditions(denoiser);
  const classifier = path === undefined ? undefined : await openLead(path, denoiser);
  if (!classifier) for (const scale of scales) await guidanceOf(denoiser, scale);
  const {
    sampler,
    steps,
    spacing,
    eta,
    chain,
    levels: visited,
    make,
  } = chooseSampler(choice, levels, denoiser.sampling);
  const chosen = make(visited);
  const { name: priorName, prior } = choosePrior(denoiser, asked);
  const example = await conditionOf(denoiser, { count: batchSize, captions: [''] });
  const latents = denoiser.autoencoder && compileLatents(execution, denoiser.latents!, denoiser.autoencoder);
  const run = await compileNetwork(execution, network, { parameters, image, condition: example, fixed: true });
  const work = ({ count }: Wanted) => Math.ceil(count / batchSize) * (visited.length - 1);
  let each: Promise<number> | undefined;
  return {
    how: {
      ...{ sampler, steps, spacing, ...(eta !== undefined && { eta }), prior: priorName },
      ...(path !== undefined && { classifier: path }),
    },
    work,
    async seconds(wanted) {
      each ??= secondsOf(run, [batchSize, ...image], example);
      // Guidance asks for each image twice, or the classifier too, whose gradient is about as much work.
      const { guidance = 1 } = wanted;
      const twice = classifier ? guidance !== 0 : guidance !== 1;
      return work(wanted) * (await each) * (twice ? 2 : 1);
    },
    async draw(wanted, onProgress, given) {
      const { count, guidance = 1 } = wanted;
      const condition = await conditionOf(denoiser, wanted, given);
      const classNames = classifier?.classNames ?? denoiser.classNames;
      const { label } = classifier ? labels(count, { classes: classifier.classNames.length }) : (condition ?? {});
      const led =
        classifier &&
        (await classifierGuidance(execution, classifier, {
          scale: guidance,
          ...(chain && { ancestral: { ...chain, levels: visited } }),
        }));
      let done = 0;
      const values = await draw({
        ...{ network: run, parameterisation, sampler: chosen, image, count, seed, condition, prior },
        ...(latents && { decode: (drawn: tf.Tensor4D) => latents.decode(drawn) }),
        batch: Math.min(count, batchSize),
        ...(led ? { lead: leadOf(led, Array.from(label.data)) } : { guidance: await guidanceOf(denoiser, guidance) }),
        onStep: () => onProgress(++done),
      }).finally(() => led?.dispose());
      return arrayDataset({
        pixels: toBytes(values),
        shape: denoiser.latents?.image ?? image,
        ...(label && { labels: label.data, classNames }),
      });
    },
    dispose: async () => void (await Promise.all([run.dispose(), latents?.dispose(), denoiser.textEncoder?.dispose()])),
  };
}

/** @throws Error in one line if the classifier does not fit the model */
function openLead(path: string, denoiser: Denoiser) {
  if (denoiser.latents) throw new UsageError('--classifier is for denoisers of images, and this one is of latents');
  if (denoiser.network.conditions?.length)
    throw new UsageError('--classifier leads a model that takes no classes, and this one is told them');
  return openNoisedClassifier(path, denoiser, { bases: [fileURLToPath(import.meta.url)] });
}

const leadOf =
  (guidance: ClassifierGuidance, classes: readonly number[]): DrawOptions['lead'] =>
  (denoise, { first, n }) =>
    guidance.guide(denoise, classes.slice(first, first + n));

/** Whether a model draws from words. */
export const takesWords = ({ network: { conditions = [] }, clip }: Pick<Denoiser, 'network' | 'clip'>) =>
  conditions.includes('tokens') || conditions.includes('text') || clip !== undefined;

/** @throws Error in one line if a network takes what nobody can give */
function checkConditions(denoiser: Denoiser): void {
  const { network, classNames } = denoiser;
  const { conditions = [] } = network;
  captionConditions(denoiser);
  const given = ['label', 'tokens', 'text', 'present', ...Object.keys(unaskedOf(denoiser, 0))];
  const unknown = conditions.find((name) => !given.includes(name));
  if (unknown !== undefined)
    throw new Error(
      `the model takes the condition '${unknown}', which ddpm-evaluate cannot give; it can give 'label' and 'tokens'; images.npz of ddpm-sample --format npz can be measured, too`,
    );
  if (conditions.includes('label') && !classNames)
    throw new Error("the model takes the condition 'label', but does not say which classes there are");
}

/** Conditions that nobody asks for: that nothing is known of a picture, of a small one that it is black, no vector. */
function unaskedOf(denoiser: Denoiser, count: number): Batch {
  const { inpainting, lowRes, image, clip } = denoiser;
  if (clip) return { imageEmbedding: { data: new Float32Array(count * clip.features), item: [clip.features] } };
  if (!lowRes) return inpainting ? knownCondition(denoiser, count) : {};
  const [h, w] = lowRes.size;
  return lowResCondition(new Float32Array(count * h * w * image[2]), denoiser, { augmentation: 0, seed: 0 });
}

async function conditionOf(
  denoiser: Denoiser,
  { count, captions = [] }: Wanted,
  given: Batch = unaskedOf(denoiser, count),
): Promise<Batch | undefined> {
  const { network, classNames } = denoiser;
  const { conditions = [] } = network;
  if (conditions.length === 0) return undefined;
  return {
    ...(conditions.includes('label') && labels(count, { classes: classNames!.length })),
    ...(await captionConditions(denoiser)?.condition(captions, count)),
    ...given,
  };
}

/** Guidance of such a scale; none where it changes nothing. */
async function guidanceOf(denoiser: Denoiser, scale: number): Promise<Guidance | undefined> {
  const { network, classNames = [], labelDropout = 0, clip } = denoiser;
  const { conditions = [] } = network;
  if (scale === 1) return undefined;
  if (clip && clip.dropout > 0) return { scale, none: unaskedOf(denoiser, 1) };
  const words = captionConditions(denoiser);
  if (!clip && !words && !conditions.includes('label'))
    throw new UsageError('--guidance is of models that take classes or words');
  if (words && words.dropout > 0) return { scale, none: await words.condition(['']) };
  if (conditions.includes('label') && labelDropout > 0) return { scale, none: classNames.length };
  throw new UsageError(
    '--guidance needs a model that was trained to do without its classes (--label-dropout), captions (--caption-dropout) or vectors (--vector-dropout)',
  );
}

/** The time of a call, after one that made everything ready. */
async function secondsOf(
  run: CompiledNetwork,
  shape: [n: number, h: number, w: number, c: number],
  condition?: Batch,
): Promise<number> {
  const inputs = [tf.zeros<tf.Rank.R4>(shape), tf.zeros<tf.Rank.R1>([shape[0]])] as const;
  const given = condition && tensors(part(condition, 0, shape[0]));
  try {
    let start = 0;
    for (let i = 0; i < 2; i++) {
      start = performance.now();
      const output = await run(...inputs, given);
      await output.data();
      output.dispose();
    }
    return (performance.now() - start) / 1000;
  } finally {
    tf.dispose([...inputs, Object.values(given ?? {})]);
  }
}
