/**
 * The share of images, 0 to 1, in which a classifier sees the class that they were drawn as.
 * @param logits [n, classes], row-major
 * @param labels n
 * @throws RangeError unless there is a whole row of logits for each label, and each label is one of its classes
 */
export function classAccuracy(logits: ArrayLike<number>, labels: ArrayLike<number>): number {
  const n = labels.length;
  const classes = logits.length / n;
  if (n === 0 || !Number.isInteger(classes))
    throw new RangeError(`classAccuracy: ${logits.length} logits are not a whole number for each of ${n} labels`);
  let right = 0;
  for (let i = 0; i < n; i++) {
    if (!Number.isInteger(labels[i]) || labels[i] < 0 || labels[i] >= classes)
      throw new RangeError(`classAccuracy: label ${i} is ${labels[i]}, but there are ${classes} classes`);
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[i * classes + c] > logits[i * classes + best]) best = c;
    if (best === labels[i]) right++;
  }
  return right / n;
}
