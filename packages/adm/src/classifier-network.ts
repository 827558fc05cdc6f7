import type { AdmClassifierOptions } from './classifier';
import { AdmClassifier } from './classifier';

/**
 * The classifier as a network package: `ddpm-train --task classifier --noised --network @ddpm/adm/classifier
 * --network-options '{"modelChannels": 32}'`. The trainer gives the images' `channels`, the `classes` and the `seed`.
 */
export default function createClassifier({
  channels,
  classes,
  ...options
}: Omit<AdmClassifierOptions, 'numClasses'> & {
  channels?: number;
  classes?: number;
  numClasses?: number;
}): AdmClassifier {
  const numClasses = options.numClasses ?? classes;
  if (numClasses === undefined) throw new RangeError('AdmClassifier: numClasses, or classes, must be given');
  return new AdmClassifier({ ...options, imageChannels: options.imageChannels ?? channels, numClasses });
}
