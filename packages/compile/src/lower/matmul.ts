import { add, matMul } from '../ops';
import type { Value } from '../graph';
import { activate } from './elementwise';
import type { KernelCall, Lowerings } from './lowering';
import { promoted } from './promote';

function batchMatMul({ inputs: { a, b }, attrs }: KernelCall): Value {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  return matMul(...promoted([a, b], 'int32'), transposeA, transposeB);
}

export const matrices: Lowerings = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: (call) => {
    const product = batchMatMul(call);
    const { bias } = call.inputs;
    return activate(
      bias ? add(...promoted([product, bias])) : product,
      (call.attrs as { activation?: string }).activation,
      call,
    );
  },
};
