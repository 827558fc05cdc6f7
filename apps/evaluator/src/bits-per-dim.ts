import { join } from 'node:path';
import { createProgress, isFirst, UsageError } from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import { bitsPerDim, clipped, denoiser, trailing } from '@ddpm/diffusion';
import { someOf } from '@ddpm/evaluation';
import type { Execution } from '@ddpm/execution';
import type { Denoiser } from '@ddpm/models';
import { compileNetwork } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';
import type { RealImages } from './real-images';
import type { Subject } from './subject';
import { fileName } from './subject';

/** The bound of a model, in bits per dimension: means over the images. */
export interface Bits {
  readonly of: string;
  readonly step?: number;
  readonly seed: number;
  readonly images: { readonly dataset: string; readonly split: 'train' | 'test'; readonly n: number };
  readonly steps: number;
  /** The variance of the steps: as the network says it, or β̃ or β. */
  readonly variance: 'learned' | 'lower' | 'upper';
  readonly total: number;
  readonly prior: number;
  /** L_t of each step by its timestep, from noise to image: the last is that of the decoder. */
  readonly terms: readonly { readonly t: number; readonly vlb: number; readonly xStartMse: number }[];
}

/**
 * Measures the variational bound of models on held-out images, those of the test split where there is one, and writes
 * `bits-per-dim.json`, where results go. A model that has not learned the variance is measured with either.
 * @param say told of each
 * @throws Error in one line that names what has no such bound
 */
export async function measureBits(
  subjects: readonly Subject[],
  settings: Settings & { readonly bitsPerDim: number },
  execution: Execution,
  { dataset, train, test }: RealImages,
  say: (line: string) => void,
): Promise<void> {
  const { bitsPerDim: n, seed, out } = settings;
  const split = test ? 'test' : 'train';
  const all = test ?? train;
  if (n > all.size) throw new UsageError(`--bits-per-dim ${n}: ${dataset} has ${all.size} ${split} images`);
  const images = someOf(all, n, seed);
  for (const subject of subjects) {
    if (subject.kind !== 'model') throw new UsageError(`--bits-per-dim is of models, and ${subject.name} is of images`);
    const results: Bits[] = [];
    for (const variance of subject.denoiser.parameterisation.variance
      ? (['learned'] as const)
      : (['lower', 'upper'] as const)) {
      const bits = await boundOf(subject.denoiser, images, { ...settings, variance, name: subject.name }, execution);
      const { step } = subject;
      results.push({ of: subject.name, step, seed, images: { dataset, split, n }, variance, ...bits });
      const decoder = bits.terms.at(-1)!.vlb;
      const between = bits.total - bits.prior - decoder;
      say(
        `${subject.name}: ${bits.total.toFixed(4)} bits per dimension (noise ${bits.prior.toExponential(1)}, steps ${between.toFixed(4)}, image ${decoder.toFixed(4)}) of ${n} ${split} images, ${bits.steps} steps, variance ${variance}`,
      );
    }
    if (!isFirst) continue;
    const folder = out ?? subject.run;
    if (folder === undefined) continue;
    await makeFolder(folder);
    const path = join(folder, out === undefined ? 'bits-per-dim.json' : `bits-per-dim-${fileName(subject)}.json`);
    await writeFileAtomic(path, `${JSON.stringify(results, undefined, 2)}\n`);
    say(`Results: ${path}`);
  }
}

async function boundOf(
  { network, parameters, parameterisation, image, levels: { schedule } }: Denoiser,
  images: Dataset,
  { steps, seed, batchSize, variance, name }: Settings & { readonly variance: Bits['variance']; readonly name: string },
  execution: Execution,
): Promise<Pick<Bits, 'steps' | 'total' | 'prior' | 'terms'>> {
  if (!schedule) throw new Error(`${name} has no bound in bits per dimension: its levels are no schedule's`);
  const { conditions = [] } = network;
  const known = Object.keys(await readExamples(images, Int32Array.of(0)));
  const missing = conditions.find((condition) => !known.includes(condition));
  if (missing !== undefined) throw new Error(`${name} takes the condition '${missing}', which the images do not have`);
  const levels = trailing(schedule, steps);
  const count = levels.length - 1;
  const { label } = await readExamples(images, Int32Array.of(0));
  const example = conditions.length > 0 && label ? { label } : undefined;
  const run = await compileNetwork(execution, network, { parameters, image, condition: example, fixed: true });
  const progress = createProgress({
    label: `Bits per dimension of ${name}`,
    total: Math.ceil(images.size / batchSize) * count,
  });
  let [total, prior, done] = [0, 0, 0];
  const [vlb, xStartMse] = [new Float64Array(count), new Float64Array(count)];
  try {
    for (let first = 0; first < images.size; first += batchSize) {
      const indices = Int32Array.from({ length: Math.min(batchSize, images.size - first) }, (_, i) => first + i);
      const { image: x, label: labels } = tensors(await readExamples(images, indices));
      const condition = example && { label: labels };
      try {
        const bits = await bitsPerDim(clipped(denoiser(run, { parameterisation, condition })), x as tf.Tensor4D, {
          ...{ levels, rng: new Random([seed, 'bits-per-dim', first]) },
          ...(variance !== 'learned' && { variance }),
          onLevel: () => progress.update(++done),
        });
        total += sum(bits.total);
        prior += sum(bits.prior);
        bits.vlb.forEach((term, i) => (vlb[i] += sum(term)));
        bits.xStartMse.forEach((error, i) => (xStartMse[i] += sum(error)));
      } finally {
        tf.dispose([x, labels]);
      }
    }
  } finally {
    progress.stop();
    await run.dispose();
  }
  const n = images.size;
  return {
    ...{ steps: count, total: total / n, prior: prior / n },
    terms: Array.from(vlb, (term, i) => ({ t: levels[i].time, vlb: term / n, xStartMse: xStartMse[i] / n })),
  };
}

const sum = (values: Float64Array) => values.reduce((all, value) => all + value, 0);
