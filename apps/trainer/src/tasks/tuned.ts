import { fileURLToPath } from 'node:url';
import { kebab, UsageError } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import { withLabelDropout } from '@ddpm/diffusion';
import { enlarge, imageGrid, toBytes, toImages } from '@ddpm/images';
import type { Denoiser, DrawOptions, FewSteps } from '@ddpm/models';
import {
  captionTokens,
  choosePrior,
  compileNetwork,
  draw,
  labels,
  loadDenoiser,
  meaningToJson,
  samplerFor,
} from '@ddpm/models';
import { tokenizerFromJson, withCaptionDropout } from '@ddpm/text';
import type { Batch, Task, Variables } from '@ddpm/train';
import type * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { once } from './denoise';
import { variablesOf } from './frozen';
import type { Latents } from './latent';
import { openLatents, trainingOver } from './latent';
import type { Ingredients, Training } from './training';

/** Images in a preview, and how many are drawn at a time. */
const [COUNT, BATCH] = [16, 64];

/**
 * Settings of a training whose stages are parts of its steps.
 * @throws UsageError if epochs are asked for
 */
export function checkTuned<S extends CommonSettings>(settings: S): S {
  if (settings.steps === undefined)
    throw new UsageError('--epochs: stages are parts of --steps here; say how many steps to take');
  return settings;
}

/** The denoiser that a training tunes, and another like it, where there is a teacher. */
export interface Opened {
  readonly denoiser: Denoiser;
  /** Its variables, of which some may be frozen. */
  readonly variables: ReturnType<typeof variablesOf>;
  /** The same, with variables of its own. */
  readonly again: () => Promise<Denoiser>;
  /** The latents that it works on, where it does not work on images. */
  readonly latents?: Latents;
}

/**
 * The denoiser of the run that a training begins with, or goes on with.
 * @param options.apart whether low-rank updates are left out of its weights
 * @param options.given conditions that the training itself gives
 * @param options.latents how latents are given to the task, of a model that works on some; none if it is of images
 * @throws UsageError if there is none, and Error in one line if the dataset does not have what it takes
 */
export async function openTuned(
  name: string,
  ingredients: Ingredients,
  {
    apart = false,
    given = [],
    latents: how = 'mean',
  }: { apart?: boolean; given?: readonly string[]; latents?: 'mean' | 'sample' | 'none' } = {},
): Promise<Opened> {
  const { settings, before, dataset } = ingredients;
  if (!before) throw new UsageError(`--task ${name} begins with a denoiser: name its run by --from`);
  for (const option of ['network', 'networkOptions'] as const)
    if (JSON.stringify(settings[option]) !== JSON.stringify(before.checkpoint.settings[option]))
      throw new UsageError(`--${kebab(option)}: --task ${name} takes the network of the run that --from names`);
  const again = () =>
    loadDenoiser(before.checkpoint, { apart, run: before.folder, bases: [fileURLToPath(import.meta.url)] });
  const opened = await again();
  const { image, network, classNames, captions } = opened;
  const refuse = (why: string) => new Error(`--task ${name}: the model ${why}`);
  if (opened.latents && how === 'none') throw refuse('works on latents, and it is of images');
  if (!opened.latents && image.join() !== dataset.shape.join())
    throw refuse(`makes images of ${image.join('×')}, and the dataset has some of ${dataset.shape.join('×')}`);
  for (const condition of network.conditions ?? []) {
    if (given.includes(condition)) continue;
    if (condition === 'label' && classNames) {
      if (dataset.classNames?.join() === classNames.join()) continue;
      throw refuse(`knows the classes ${classNames.join(', ')}, and the dataset others or none`);
    }
    if (condition === 'tokens' && captions) {
      if (dataset.captions) continue;
      throw refuse('is told captions, and the dataset has none');
    }
    throw refuse(`takes the condition '${condition}', which the dataset does not give`);
  }
  const latents = opened.latents && (await openLatents({ latents: how }, ingredients));
  return {
    ...{ again, variables: variablesOf(network) },
    denoiser: latents ? { ...opened, image: latents.item, latents: latents.meaning } : opened,
    ...(latents && { latents }),
  };
}

/** How a training draws: as ddpm-sample does where it is asked for nothing else. */
interface Drawing {
  /** So many images; what is told of them in place of what they are told otherwise, and what guides them. */
  readonly drawn: (count: number, options?: Pick<DrawOptions, 'condition' | 'lead'>) => Promise<Float32Array>;
}

/**
 * A training of a denoiser that draws, but for its description.
 * @param options.opened the denoiser, and which of its variables are frozen
 * @param options.network what draws, where it is not the denoiser's own, and its variables
 */
export function tunedTraining(
  { settings: { seed }, execution, before }: Ingredients<CommonSettings>,
  {
    opened: { denoiser, variables, latents },
    task,
    validation = task,
    sampling = denoiser.sampling,
    network = denoiser.network,
    parameters = denoiser.parameters,
    given,
  }: {
    opened: Omit<Opened, 'again'>;
    task: Task;
    validation?: Task;
    sampling?: FewSteps;
    network?: Network;
    parameters?: Variables;
    /** The conditions of so many images beside classes or captions. */
    given?: (count: number) => Batch;
  },
): Omit<Training, 'description'> & Drawing {
  const { parameterisation, image, levels, classNames, labelDropout = 0, captions } = denoiser;
  const { networks, measured } = before!.checkpoint;
  const told = network.conditions ?? [];
  const tokenizer = captions && tokenizerFromJson(captions.tokenizer, { length: captions.length });
  const { prior } = choosePrior(denoiser);
  const sampler = samplerFor({}, levels, sampling);
  /** Classes in turn, or no captions. */
  const conditionOf = (count: number): Batch | undefined => {
    const own = {
      ...(told.includes('label') && labels(count, { classes: classNames!.length })),
      ...(captions && told.includes('tokens') && captionTokens(captions, [''], count)),
      ...given?.(count),
    };
    return Object.keys(own).length > 0 ? own : undefined;
  };
  const compiled = once(() => compileNetwork(execution, network, { parameters, image, condition: conditionOf(1) }));
  const drawn: Drawing['drawn'] = async (count, { condition, lead } = {}) =>
    draw({
      ...{ network: await compiled.get(), parameterisation, image, count, seed, sampler, prior, batch: BATCH },
      condition: condition ? { ...conditionOf(count), ...condition } : conditionOf(count),
      ...(lead && { lead }),
      ...(latents && { decode: (made: tf.Tensor4D) => latents.compiled.decode(made) }),
    });
  const shape = latents?.meaning.image ?? image;
  const over = (own: Task, evaluation = false): Task => {
    const whole = { ...own, frozen: new Map([...(own.frozen ?? []), ...variables.frozen]) };
    return latents ? latents.over(whole, { evaluation }) : whole;
  };
  const dropped = (whole: Task): Task => {
    if (tokenizer && captions.dropout > 0)
      return withCaptionDropout(whole, tokenizer, { probability: captions.dropout });
    return labelDropout > 0 && classNames
      ? withLabelDropout(whole, { none: classNames.length, probability: labelDropout })
      : whole;
  };
  const training = trainingOver(latents, {
    ...{ task: dropped(over(task)), validation: over(validation, true), kept: variables.kept },
    description: `Network: ${networks.denoiser.name}`,
    ...(tokenizer && { tokenizer }),
    networks: { denoiser: networks.denoiser },
    meaning: meaningToJson({ ...denoiser, ...(sampling && { sampling }) }),
    ...(measured && { measured }),
    async preview() {
      return enlarge(imageGrid(toImages(await drawn(COUNT), [COUNT, ...shape])), 2);
    },
    ...(!captions && {
      async images(count): Promise<Dataset> {
        const of = conditionOf(count)?.label.data as Int32Array | undefined;
        const pixels = toBytes(await drawn(count));
        return arrayDataset({ pixels, shape, ...(of && { labels: of, classNames }) });
      },
    }),
    operations: async () => (await (await compiled.get()).cost()).operations,
    dispose: () => compiled.dispose(),
  });
  return { ...training, drawn };
}
