import * as tf from '@tensorflow/tfjs-core';

/** A tensor, and a letter for each of its axes. */
interface Term {
  readonly tensor: tf.Tensor;
  readonly letters: string;
}

/**
 * Einstein summation of one or two tensors, such as `bhid,bhjd->bhij`, as one matrix product. Each letter at most once
 * in each term.
 * @throws Error if the equation is none, or the shapes do not fit it
 */
export function einsum(equation: string, ...tensors: tf.Tensor[]): tf.Tensor {
  // Checks the equation, and the shapes against it.
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  const { terms, right } = parsed(equation);
  return contract(
    tensors.map((tensor, index) => ({ tensor, letters: terms[index] })),
    right,
  );
}

/**
 * dy times what the others are, summed to each tensor's own letters. Letters that stand in one tensor alone were summed
 * there: dy is repeated along them.
 */
export const einsumGradient: tf.GradConfig = {
  kernelName: 'Einsum',
  saveAllInputs: true,
  gradFunc: (dy, saved, attrs) => {
    const { terms, right } = parsed((attrs as { equation: string }).equation);
    const all = saved.map((tensor, index) => ({ tensor, letters: terms[index] }));
    const gradient = (index: number) => () => {
      const { tensor, letters } = all[index];
      const others = all.filter((_, i) => i !== index);
      const shared = letterList(letters).filter(
        (letter) => right.includes(letter) || others.some((other) => other.letters.includes(letter)),
      );
      const part = contract([{ tensor: dy as tf.Tensor, letters: right }, ...others], shared.join(''));
      const size = tensor.shape.map((extent, axis) => (shared.includes(letters[axis]) ? extent : 1));
      return tf.broadcastTo(tf.reshape(part, size), tensor.shape);
    };
    return Object.fromEntries(saved.map((_, index) => [index, gradient(index)]));
  },
};

const letterList = (letters: string) => Array.from(letters);

function parsed(equation: string): { terms: string[]; right: string } {
  const [left, right] = equation.replace(/\s/g, '').split('->') as [string, string];
  return { terms: left.split(','), right };
}

function contract([first, second]: readonly Term[], right: string): tf.Tensor {
  return tf.tidy(() => {
    const a = summed(first, right + (second?.letters ?? ''));
    if (!second) return arranged(a, letterList(right));
    const b = summed(second, right + first.letters);
    const sizes = new Map(
      [a, b].flatMap(({ tensor, letters }) => letterList(letters).map((letter, axis) => [letter, tensor.shape[axis]])),
    );
    const both = letterList(a.letters).filter((letter) => b.letters.includes(letter));
    const batch = both.filter((letter) => right.includes(letter));
    const inner = both.filter((letter) => !right.includes(letter));
    const rows = letterList(a.letters).filter((letter) => !b.letters.includes(letter));
    const columns = letterList(b.letters).filter((letter) => !a.letters.includes(letter));
    const size = (letters: readonly string[]) => letters.reduce((product, letter) => product * sizes.get(letter)!, 1);
    const shape = (...matrix: string[][]) => [...(batch.length > 0 ? [size(batch)] : []), ...matrix.map(size)];
    const product = tf.matMul(
      tf.reshape(arranged(a, [...batch, ...rows, ...inner]), shape(rows, inner)),
      tf.reshape(arranged(b, [...batch, ...inner, ...columns]), shape(inner, columns)),
    );
    const letters = [...batch, ...rows, ...columns];
    const tensor = tf.reshape(
      product,
      letters.map((letter) => sizes.get(letter)!),
    );
    return arranged({ tensor, letters: letters.join('') }, letterList(right));
  });
}

/** Sums over the letters that nothing else uses. */
function summed({ tensor, letters }: Term, used: string): Term {
  const axes = letterList(letters).flatMap((letter, axis) => (used.includes(letter) ? [] : [axis]));
  if (axes.length === 0) return { tensor, letters };
  const kept = letterList(letters).filter((letter) => used.includes(letter));
  return { tensor: tf.sum(tensor, axes), letters: kept.join('') };
}

function arranged({ tensor, letters }: Term, order: readonly string[]): tf.Tensor {
  return tf.transpose(
    tensor,
    order.map((letter) => letters.indexOf(letter)),
  );
}
