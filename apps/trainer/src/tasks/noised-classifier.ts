import { schedules } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import type { Classifier } from '@ddpm/diffusion';
import { noisedClassifying, stratified } from '@ddpm/diffusion';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { KnownLevels } from '@ddpm/models';
import { noisedClassifierMeaningToJson, scheduleLevels } from '@ddpm/models';
import type { Inputs, Losses, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { quarters } from './denoise';
import { wayTo } from './objective';
import type { Ingredients, Training } from './training';

/** The settings of a classifier's preset that are others where images are noisy. */
export const noised = {
  ...{ noised: true, schedule: 'stretched-linear', timesteps: 200, shift: 0 },
  network: '@ddpm/adm/classifier',
  networkOptions: {
    ...{ patchSize: 2, modelChannels: 32, channelMult: [1, 2], numResBlocks: 1, groups: 8, pool: 'adaptive' },
    ...{ attentionResolutions: [2], numHeadChannels: 32 },
  },
};

/** The settings that it is made from. */
type Settings = CommonSettings & { readonly schedule?: string; readonly timesteps?: number };

/** A network that tells the classes of noisy images apart. */
export function makeNoised(
  { settings, dataset, execution }: Ingredients<Settings>,
  {
    reference,
    network,
    classNames,
  }: { reference: NetworkReference; network: Classifier; classNames: readonly string[] },
): Promise<Training> {
  const schedule = schedules[settings.schedule!]({ timesteps: settings.timesteps! });
  const levels = scheduleLevels(schedule);
  const parameters = namedParameters({ classifier: network });
  const image = dataset.shape;
  const shape = tf.tidy(() => network.apply(tf.zeros<tf.Rank.R4>([2, ...image]), tf.zeros<tf.Rank.R1>([2])).shape);
  if (shape.join() !== [2, classNames.length].join())
    throw new Error(
      `network ${settings.network} should make logits [n, ${classNames.length}] of ${image.join('×')} images, but of 2 it makes [${shape.join(', ')}]`,
    );
  return Promise.resolve({
    task: withQuarters(noisedClassifying({ network, parameters, levels: stratified(schedule) }), levels),
    networks: { classifier: reference },
    meaning: noisedClassifierMeaningToJson({ image, classNames, levels }),
    description: `Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, to tell ${classNames.length} classes apart at ${schedule.timesteps} noise levels`,
    quarters: ({ time }, values) =>
      quarters(
        values.get('loss')!,
        Array.from(time.data, (each) => wayTo(levels, each)),
      ),
    async operations() {
      const [x, t] = [tf.zeros<tf.Rank.R4>([1, ...image]), tf.zeros<tf.Rank.R1>([1])];
      const fn = (at: tf.Tensor4D, told: tf.Tensor1D) => network.apply(at, told);
      const { operations } = await execution.cost(fn, [x, t], { parameters });
      tf.dispose([x, t]);
      return operations;
    },
    dispose: () => Promise.resolve(),
  });
}

/**
 * A task with its accuracy in each quarter of the levels too, from little noise to much, as terms of their own. A
 * stratified batch has as many images in each, so that their mean is four times what they add to that of the batch.
 */
function withQuarters(task: Task, { schedule }: KnownLevels): Task {
  return {
    ...task,
    loss(inputs: Inputs): Losses {
      const losses = task.loss(inputs);
      const quarter = tf.floor(tf.mul(tf.div(inputs.time, schedule!.timesteps), 4));
      const of = (k: number) =>
        tf.mul<tf.Tensor1D>(tf.mul(losses.accuracy, 4), tf.cast(tf.equal(quarter, k), 'float32'));
      return {
        ...losses,
        accuracyQuarter1: of(0),
        accuracyQuarter2: of(1),
        accuracyQuarter3: of(2),
        accuracyQuarter4: of(3),
      };
    },
  };
}
