import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

/** Einstein summation of one or two tensors, such as `bhid,bhjd->bhij`, as one matrix product. Each letter at most once in each term. */
export function einsum({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { equation } = attrs as { equation: string };
  const tensors = Object.keys(inputs).map((key) => inputs[key] as tf.Tensor);
  const [left, right] = equation.replace(/\s/g, '').split('->') as [string, string];
  const terms = left.split(',');
  // Checks the equation, and the shapes against it.
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  const sizes = new Map(terms.flatMap((term, index) => Array.from(term, (letter, axis) => [letter, tensors[index].shape[axis]])));
  const shape = (...groups: string[][]) => groups.map((group) => group.reduce((product, letter) => product * sizes.get(letter)!, 1));
  return tf.tidy(() => {
    const a = summed(tensors[0], terms[0], right + (terms[1] ?? ''));
    if (tensors.length === 1)
      return tf.transpose(
        a.tensor,
        Array.from(right, (letter) => a.term.indexOf(letter)),
      );
    const b = summed(tensors[1], terms[1], right + terms[0]);
    const letters = Array.from(new Set(a.term + b.term));
    const batch = letters.filter((letter) => a.term.includes(letter) && b.term.includes(letter) && right.includes(letter));
    const inner = letters.filter((letter) => a.term.includes(letter) && b.term.includes(letter) && !right.includes(letter));
    const rows = letters.filter((letter) => !b.term.includes(letter));
    const columns = letters.filter((letter) => !a.term.includes(letter));
    const product = tf.matMul(
      tf.reshape(arranged(a, [...batch, ...rows, ...inner]), shape(batch, rows, inner)),
      tf.reshape(arranged(b, [...batch, ...inner, ...columns]), shape(batch, inner, columns)),
    );
    const term = [...batch, ...rows, ...columns];
    const tensor = tf.reshape(
      product,
      term.map((letter) => sizes.get(letter)!),
    );
    return arranged({ tensor, term: term.join('') }, Array.from(right));
  });
}

interface Term {
  readonly tensor: tf.Tensor;
  readonly term: string;
}

/** Sums over the letters that nothing else uses. */
function summed(tensor: tf.Tensor, term: string, used: string): Term {
  const axes = Array.from(term, (_, axis) => axis).filter((axis) => !used.includes(term[axis]));
  if (axes.length === 0) return { tensor, term };
  return {
    tensor: tf.sum(tensor, axes),
    term: Array.from(term)
      .filter((letter) => used.includes(letter))
      .join(''),
  };
}

function arranged({ tensor, term }: Term, letters: readonly string[]): tf.Tensor {
  return tf.transpose(
    tensor,
    letters.map((letter) => term.indexOf(letter)),
  );
}
