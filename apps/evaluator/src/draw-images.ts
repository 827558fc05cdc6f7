import type { How } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import { toBytes } from '@ddpm/images';
import type { CompiledNetwork, Denoiser } from '@ddpm/models';
import { choosePrior, chooseSampler, compileNetwork, draw, labels } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import { part, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';

/** A model that is ready to draw so many images. */
export interface Drawing {
  readonly how: How;
  /** How often the network is asked for a batch, all together. */
  readonly work: number;
  /** About how long each time takes, in seconds, by trying it once. */
  secondsEach(): Promise<number>;
  /** @param onProgress told how often the network was asked so far */
  draw(onProgress: (done: number) => void): Promise<Dataset>;
  dispose(): Promise<void>;
}

/**
 * Prepares a model to draw images, of all its classes in turn where it takes them.
 * @throws Error in one line if it takes what nobody can give, or the sampler does not fit it
 */
export async function prepareDrawing(
  denoiser: Denoiser,
  count: number,
  execution: Execution,
  { seed, batchSize, prior: asked, ...choice }: Settings,
): Promise<Drawing> {
  const { network, parameters, image, parameterisation, levels } = denoiser;
  const condition = conditionOf(denoiser, count);
  const { sampler, steps, spacing, eta, levels: visited, make } = chooseSampler(choice, levels);
  const chosen = make(visited);
  const { name: priorName, prior } = choosePrior(denoiser, asked);
  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  const batch = Math.min(count, batchSize);
  return {
    how: { sampler, steps, spacing, ...(eta !== undefined && { eta }), prior: priorName },
    work: Math.ceil(count / batch) * (visited.length - 1),
    secondsEach: () => secondsOf(run, [batch, ...image], condition && part(condition, 0, batch)),
    async draw(onProgress) {
      let done = 0;
      const values = await draw({
        ...{ network: run, parameterisation, sampler: chosen, image, count, seed, batch, condition },
        prior,
        onStep: () => onProgress(++done),
      });
      return arrayDataset({
        pixels: toBytes(values),
        shape: image,
        ...(condition && { labels: condition.label.data, classNames: denoiser.classNames }),
      });
    },
    dispose: () => run.dispose(),
  };
}

function conditionOf({ network: { conditions = [] }, classNames }: Denoiser, count: number): Batch | undefined {
  const unknown = conditions.find((name) => name !== 'label');
  if (unknown !== undefined)
    throw new Error(`the model takes the condition '${unknown}', which ddpm-evaluate cannot give; it can give 'label'`);
  if (conditions.length === 0) return undefined;
  if (!classNames) throw new Error("the model takes the condition 'label', but does not say which classes there are");
  return labels(count, { classes: classNames.length });
}

/** The time of a call, after one that made everything ready. */
async function secondsOf(
  run: CompiledNetwork,
  shape: [n: number, h: number, w: number, c: number],
  condition?: Batch,
): Promise<number> {
  const inputs = [tf.zeros<tf.Rank.R4>(shape), tf.zeros<tf.Rank.R1>([shape[0]])] as const;
  const given = condition && tensors(condition);
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
