import { add, matMul } from '../ops';
import type { Value } from '../graph';
import { activate } from './elementwise';
import type { KernelCall, Lowerings } from './lowering';

function batchMatMul({ inputs: { a, b }, attrs }: KernelCall): Value {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  return matMul(a, b, transposeA, transposeB);
}

export const matrices: Lowerings = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: (call) => {
    const product = batchMatMul(call);
    const { bias } = call.inputs;
    return activate(bias ? add(product, bias) : product, (call.attrs as { activation?: string }).activation, call);
  },
};
