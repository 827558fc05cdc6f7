import type { How } from '@ddpm/app-common';
import { UsageError } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import { toBytes } from '@ddpm/images';
import type { CompiledNetwork, Denoiser, Guidance } from '@ddpm/models';
import {
  captionTokens,
  choosePrior,
  chooseSampler,
  compileLatents,
  compileNetwork,
  draw,
  knownCondition,
  labels,
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
}

/** A model that is ready to draw. */
export interface Drawing {
  readonly how: How;
  /** How often the network is asked for a batch. */
  work(wanted: Wanted): number;
  /** About how long each time takes, in seconds, by trying it once. */
  secondsEach(): Promise<number>;
  /** @param onProgress told how often the network was asked so far */
  draw(wanted: Wanted, onProgress: (done: number) => void): Promise<Dataset>;
  dispose(): Promise<void>;
}

/**
 * Prepares a model to draw images: of all its classes in turn, or of captions, where it takes them.
 * @throws Error in one line if it takes what nobody can give, or the sampler or the guidance does not fit it
 */
export async function prepareDrawing(
  denoiser: Denoiser,
  execution: Execution,
  { seed, batchSize, prior: asked, guidance: scales = [], ...choice }: Settings,
): Promise<Drawing> {
  const { network, parameters, image, parameterisation, levels } = denoiser;
  checkConditions(denoiser);
  for (const scale of scales) guidanceOf(denoiser, scale);
  const { sampler, steps, spacing, eta, levels: visited, make } = chooseSampler(choice, levels, denoiser.sampling);
  const chosen = make(visited);
  const { name: priorName, prior } = choosePrior(denoiser, asked);
  const example = conditionOf(denoiser, { count: batchSize, captions: [''] });
  const latents = denoiser.autoencoder && compileLatents(execution, denoiser.latents!, denoiser.autoencoder);
  const run = await compileNetwork(execution, network, { parameters, image, condition: example, fixed: true });
  const work = ({ count }: Wanted) => Math.ceil(count / batchSize) * (visited.length - 1);
  return {
    how: { sampler, steps, spacing, ...(eta !== undefined && { eta }), prior: priorName },
    work,
    secondsEach: () => secondsOf(run, [batchSize, ...image], example),
    async draw(wanted, onProgress) {
      const { count, guidance = 1 } = wanted;
      const condition = conditionOf(denoiser, wanted);
      let done = 0;
      const values = await draw({
        ...{ network: run, parameterisation, sampler: chosen, image, count, seed, condition, prior },
        ...(latents && { decode: (drawn: tf.Tensor4D) => latents.decode(drawn) }),
        batch: Math.min(count, batchSize),
        guidance: guidanceOf(denoiser, guidance),
        onStep: () => onProgress(++done),
      });
      return arrayDataset({
        pixels: toBytes(values),
        shape: denoiser.latents?.image ?? image,
        ...(condition?.label && { labels: condition.label.data, classNames: denoiser.classNames }),
      });
    },
    dispose: async () => void (await Promise.all([run.dispose(), latents?.dispose()])),
  };
}

/** Whether a model draws from words. */
export const takesWords = ({ network: { conditions = [] } }: Pick<Denoiser, 'network'>) =>
  conditions.includes('tokens');

/** @throws Error in one line if a network takes what nobody can give */
function checkConditions(denoiser: Denoiser): void {
  const { network, classNames, captions } = denoiser;
  const { conditions = [] } = network;
  const given = ['label', 'tokens', ...Object.keys(unaskedOf(denoiser, 0))];
  const unknown = conditions.find((name) => !given.includes(name));
  if (unknown !== undefined)
    throw new Error(
      `the model takes the condition '${unknown}', which ddpm-evaluate cannot give; it can give 'label' and 'tokens'; images.npz of ddpm-sample --format npz can be measured, too`,
    );
  if (conditions.includes('label') && !classNames)
    throw new Error("the model takes the condition 'label', but does not say which classes there are");
  if (conditions.includes('tokens') && !captions)
    throw new Error("the model takes the condition 'tokens', but does not say how captions become some");
}

/** What a model is told that nobody asks for: of a picture to be drawn anew, that nothing is known. */
const unaskedOf = (denoiser: Denoiser, count: number): Batch =>
  denoiser.inpainting ? knownCondition(denoiser, count) : {};

function conditionOf(denoiser: Denoiser, { count, captions = [] }: Wanted): Batch | undefined {
  const { network, classNames, captions: meaning } = denoiser;
  const { conditions = [] } = network;
  if (conditions.length === 0) return undefined;
  return {
    ...(conditions.includes('label') && labels(count, { classes: classNames!.length })),
    ...(conditions.includes('tokens') && captionTokens(meaning!, captions, count)),
    ...unaskedOf(denoiser, count),
  };
}

/** Guidance of such a scale; none where it changes nothing. */
function guidanceOf(
  { network: { conditions = [] }, classNames = [], labelDropout = 0, captions }: Denoiser,
  scale: number,
): Guidance | undefined {
  if (scale === 1) return undefined;
  if (!conditions.some((name) => name === 'label' || name === 'tokens'))
    throw new UsageError('--guidance is of models that take classes or words');
  if (conditions.includes('tokens') && captions!.dropout > 0) return { scale, none: captionTokens(captions!, ['']) };
  if (conditions.includes('label') && labelDropout > 0) return { scale, none: classNames.length };
  throw new UsageError(
    '--guidance needs a model that was trained to do without its classes (--label-dropout) or captions (--caption-dropout)',
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
