/* Operators as functions of values: each knows its result's shape and the identities by which it need not be computed at all. */

export { broadcastShape } from './broadcast';
export { add, binary, cast, compare, div, mul, sub, unary, where } from './elementwise';
export { matMul } from './matrices';
export { contrib, full, int64s, nchwc, node, scalar } from './node';
export { dropAxes, mean, parseAxes, reduce, sum } from './reductions';
export { concat, expand, gather, pad, reshape, slice, split, transpose } from './shapes';
