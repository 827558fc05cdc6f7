import { createProgress, UsageError } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { datasetNames, datasetSplits, openDataset } from '@ddpm/datasets';
import type { Settings } from './options';
import type { Subject } from './subject';

/** Real images to compare with: a dataset's training images, and those of its test split where it has one. */
export interface RealImages {
  readonly dataset: string;
  readonly train: Dataset;
  readonly test?: Dataset;
}

type Source = Pick<Settings, 'dataDir' | 'imageSize' | 'channels'> & { readonly dataset: string };

/** Opens the dataset that was asked for, or that all the models were trained on. */
export async function openReal(settings: Settings, subjects: readonly Subject[]): Promise<RealImages> {
  const source = sourceOf(settings, subjects);
  const { dataset, dataDir, imageSize, channels } = source;
  const bars = new Map<string, ReturnType<typeof createProgress>>();
  const open = (split: 'train' | 'test') =>
    openDataset(dataset, {
      ...{ dataDir, imageSize, channels, split },
      onProgress({ name, received, total }) {
        const bar = bars.get(name) ?? createProgress({ label: `Downloading ${name} (bytes)`, total });
        bars.set(name, bar);
        bar.update(received);
      },
    });
  try {
    const train = await open('train');
    return { dataset, train, ...(datasetSplits[dataset].includes('test') && { test: await open('test') }) };
  } finally {
    for (const bar of bars.values()) bar.stop();
  }
}

function sourceOf({ dataset, dataDir, imageSize, channels }: Settings, subjects: readonly Subject[]): Source {
  if (dataset !== undefined) return { dataset, dataDir, imageSize, channels };
  const known: { readonly name: string; readonly trained: Partial<Source> }[] = subjects.flatMap((subject) =>
    subject.kind === 'model' && datasetNames.includes(subject.trained.dataset as string)
      ? [{ name: subject.name, trained: subject.trained }]
      : [],
  );
  if (known.length === 0) throw new UsageError('say by --dataset which real images to compare with');
  const [{ name, trained }] = known;
  const same = (other: Partial<Source>) =>
    JSON.stringify([other.dataset, other.dataDir, other.imageSize, other.channels]) ===
    JSON.stringify([trained.dataset, trained.dataDir, trained.imageSize, trained.channels]);
  const other = known.find((one) => !same(one.trained));
  if (other)
    throw new UsageError(
      `${name} and ${other.name} were not trained on the same images (${trained.dataset}, ${other.trained.dataset}); say by --dataset what to compare them with`,
    );
  return {
    dataset: trained.dataset!,
    dataDir: dataDir ?? trained.dataDir,
    imageSize: imageSize ?? trained.imageSize,
    channels: channels ?? trained.channels,
  };
}
