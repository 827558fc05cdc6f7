import { arraysHash, datasetHash, openExecution, undivided, UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { Dataset, Examples } from '@ddpm/datasets';
import { batchCount, examples, readExamples, withTokens } from '@ddpm/datasets';
import type { FeatureNetwork } from '@ddpm/evaluation';
import { defaultFeatures, openFeatures } from '@ddpm/evaluation';
import type { Execution } from '@ddpm/execution';
import { loadParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import type { Batch, Learner, Task } from '@ddpm/train';
import { adam, inParts, learner } from '@ddpm/train';
import { openData } from './data';
import type { Source } from './from';
import { beginWith } from './from';
import type { Reporter } from './reporter';
import type { Resumed } from './resume';
import type { Settings } from './table';
import { tasks } from './tasks';
import type { Training } from './tasks/training';

/** A run, once everything that could be refused has been tried. */
export interface Run {
  readonly settings: Settings;
  /** The images. */
  readonly pictures: Dataset;
  /** The training data: images, or what stands for them. */
  readonly dataset: Dataset;
  readonly validation?: Dataset;
  readonly execution: Execution;
  readonly training: Training;
  readonly learner: Learner;
  /** The features that drawn images are judged by, where they are. */
  readonly judge?: FeatureNetwork;
  /** Examples without end, from a step on. */
  readonly examples: (start: number) => AsyncIterable<Examples>;
  /** Images in a step. */
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly steps: number;
  /** Frees all that it holds. */
  dispose(): Promise<void>;
}

/**
 * Opens the dataset, makes the networks and what trains them; nothing is written.
 * @param options.resumed the run that is gone on with
 * @param options.source the model whose weights it begins with
 */
export async function prepare(
  settings: Settings,
  reporter: Reporter,
  { resumed, source }: { resumed?: Resumed; source?: Source } = {},
): Promise<Run> {
  const { dataset: pictures, validation: heldOutPictures } = await openData(settings, reporter);
  const heldOut = heldOutPictures ? `, ${heldOutPictures.size.toLocaleString('en')} held out` : '';
  reporter.say(
    `Dataset: ${settings.dataset}, ${pictures.size.toLocaleString('en')} images of ${pictures.shape.join('×')}${heldOut}`,
  );
  const { latents, image } = resumed?.checkpoint.meaning ?? {};
  const before = ((latents as JsonObject | undefined)?.image ?? image) as readonly number[] | undefined;
  if (before && before.join() !== pictures.shape.join())
    throw new Error(
      `${resumed!.folder} was trained on images of ${before.join('×')}, but these are of ${pictures.shape.join('×')}`,
    );

  const kind = tasks[settings.task];
  const fields = Object.keys(await readExamples(pictures, Int32Array.of(0)));
  const missing = (kind.needs ?? []).filter((field) => !fields.includes(field));
  if (missing.length > 0)
    throw new Error(
      `--task ${settings.task} needs the ${missing.join(' and the ')} of each image, which ${settings.dataset} does not have here, only ${fields.join(', ')}`,
    );

  const begun = resumed ?? source;
  const facts = async () => ({
    ...settings,
    'the dataset': await datasetHash(pictures),
    'the images held out': heldOutPictures && (await datasetHash(heldOutPictures)),
    'the checkpoint to begin with': begun && checkpointHash(begun.checkpoint),
  });
  const execution = await openExecution(settings.backend, facts, { interruptible: true });
  reporter.say(execution.reason);
  const training = await kind.make({ settings, dataset: pictures, execution, before: begun, reporter });
  const told = async (images: Dataset) => {
    const encoded = training.encode ? await training.encode(images) : images;
    return training.tokenizer ? withTokens(encoded, training.tokenizer) : encoded;
  };
  const dataset = await told(pictures);
  const validation = heldOutPictures && (await told(heldOutPictures));
  if (!training.preview && settings.sampleEvery)
    throw new UsageError(`--sample-every: --task ${settings.task} draws no samples`);
  if (!training.images && settings.evaluateEvery)
    throw new UsageError(`--evaluate-every: --task ${settings.task} draws no images`);
  const judge = settings.evaluateEvery
    ? await openFeatures(settings.features ?? defaultFeatures(dataset.shape), undivided(execution))
    : undefined;
  judge?.fit(pictures);
  for (const line of [training.description, ...(training.notes ?? [])]) reporter.say(line);
  if (source) {
    beginWith(source, training);
    reporter.say(`Weights: those of ${source.path} after ${source.checkpoint.step} steps`);
  }

  const { seed, accumulate, beta2, weightDecay, clipNorm, ema } = settings;
  const batchSize = settings.batchSize * accumulate;
  const stepsPerEpoch = batchCount(dataset, batchSize);
  const example = await exampleOf(training.task, dataset, Math.min(settings.batchSize, dataset.size));
  const whole = await execution.gradients(training.task, example);
  const gradients = accumulate > 1 ? inParts(whole, settings.batchSize) : whole;
  const learning = await learner({
    task: training.task,
    gradients,
    optimizer: adam({ beta2, weightDecay }),
    clipNorm,
    emaDecay: ema,
  });
  return {
    ...{ pictures, dataset, validation, execution, training, learner: learning, judge, batchSize, stepsPerEpoch },
    settings: { ...settings, ...training.settings },
    examples: (start) => examples(dataset, { batchSize, seed, start, flip: settings.flip ? 0.5 : 0 }),
    steps: stepsOf(settings, stepsPerEpoch),
    async dispose() {
      await Promise.all([training.dispose(), learning.dispose(), judge?.dispose()]);
    },
  };
}

const checkpointHash = ({ step, weights }: Pick<Resumed['checkpoint'], 'step' | 'weights'>) =>
  `step ${step}, ${arraysHash([...weights].map(([name, { data }]) => [name, data]))}`;

/** The length of a run. */
export const stepsOf = ({ steps, epochs = 1 }: Pick<Settings, 'steps' | 'epochs'>, stepsPerEpoch: number) =>
  steps ?? epochs * stepsPerEpoch;

/** Inputs shaped like those of a step of n examples, all zero but for the first. */
export async function exampleOf(task: Task, dataset: Dataset, n: number): Promise<Batch> {
  const one = task.draw(await readExamples(dataset, Int32Array.of(0)), new Random(['example']));
  return Object.fromEntries(
    Object.entries(one).map(([name, { data, item }]) => {
      const all = data instanceof Int32Array ? new Int32Array(n * data.length) : new Float32Array(n * data.length);
      all.set(data);
      return [name, { data: all, item }];
    }),
  );
}

/**
 * Gives the task's variables the weights to use the model with. The learner has its own, and gives them to the
 * variables at every step.
 */
export async function useWeights(learner: Learner): Promise<void> {
  const weights = await learner.weights();
  const { parameters } = learner.task;
  loadParameters(
    Object.fromEntries(parameters),
    new Map([...weights].map(([name, data]) => [name, { shape: parameters.get(name)!.shape, data }])),
  );
}
