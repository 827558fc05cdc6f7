import type { Dataset } from './dataset';

/** Some of a dataset's images, as a dataset: those from `start` on, before `end`. */
export function subset(dataset: Dataset, start: number, end: number): Dataset {
  return {
    ...dataset,
    size: end - start,
    image: (i) => dataset.image(start + i),
    ...(dataset.label && { label: (i: number) => dataset.label!(start + i) }),
    ...(dataset.captions && { captions: (i: number) => dataset.captions!(start + i) }),
  };
}
