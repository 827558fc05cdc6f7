import type { Progress } from '@ddpm/app-common';
import { createProgress } from '@ddpm/app-common';
import type { Dataset, Progress as DownloadProgress } from '@ddpm/datasets';
import { datasetSplits, holdOut, openDataset } from '@ddpm/datasets';
import type { Reporter } from './reporter';
import type { Settings } from './table';

/** The training images, and those held out, spread evenly: of the test split where the dataset has one, otherwise of its own images. */
export async function openData(
  { dataset: name, dataDir, imageSize, channels, validation: held }: Settings,
  reporter: Reporter,
): Promise<{ dataset: Dataset; validation?: Dataset }> {
  const bars = downloadBars();
  const onSkipped = (line: string) => reporter.warn(line);
  const open = (split: 'train' | 'test') =>
    openDataset(name, { dataDir, imageSize, channels, split, onSkipped, onProgress: bars.show });
  try {
    const whole = await open('train');
    if (held === 0) return { dataset: whole };
    if (datasetSplits[name].includes('test')) {
      const test = await open('test');
      return { dataset: whole, validation: held < test.size ? holdOut(test, held).heldOut : test };
    }
    if (held >= whole.size)
      throw new RangeError(`--validation holds out ${held} images, but ${name} has only ${whole.size}`);
    const { kept, heldOut } = holdOut(whole, held);
    return { dataset: kept, validation: heldOut };
  } finally {
    bars.stop();
  }
}

/** A bar for each file that is downloaded. */
function downloadBars() {
  let shown: { name: string; bar: Progress } | undefined;
  return {
    show: ({ name, received, total }: DownloadProgress) => {
      if (name !== shown?.name) {
        shown?.bar.stop();
        shown = { name, bar: createProgress({ label: `Downloading ${name} (bytes)`, total }) };
      }
      shown.bar.update(received);
    },
    stop: () => shown?.bar.stop(),
  };
}
