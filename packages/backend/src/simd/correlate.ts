import type { Code, Definition, Local } from './assembler';
import { countTo, f32x4, i32, v128 } from './assembler';

const parameters = [
  ...(['out', 'outI', 'outJ', 'x', 'xI', 'xJ', 'xA', 'xB', 'w', 'wA', 'wB'] as const),
  ...(['rows', 'columns', 'channelBytes', 'tapRows', 'tapColumns'] as const),
];

/**
 * out[i, j, c] = Σ_a Σ_b x[i, j; a, b; c] · w[a, b, c], for i < rows, j < columns, a < tapRows, b < tapColumns, c <
 * channels.
 *
 * x, w and out are addresses; a parameter named after an array and an index (`xI`, `wA`, …) is that index's stride in
 * it; all of these, and `channelBytes` = 4·channels, are in bytes, and the stride of c is one float. A depthwise
 * convolution of an image is this with w the filter; its filter gradient is this with w the gradient of the output, so
 * that a and b run over output positions.
 *
 * Works on 4 columns × 4 channels at a time; where 4 does not divide them, the last block is moved back over the one
 * before.
 * Both must be at least 4.
 */
export const correlate: Definition<(typeof parameters)[number]> = {
  parameters,
  body(p, local) {
    const [i, j, c, a, b] = [local('i32'), local('i32'), local('i32'), local('i32'), local('i32')];
    const [column, channel, pointer] = [local('i32'), local('i32'), local('i32')];
    const [xRow, wRow, xTap, wTap] = [local('i32'), local('i32'), local('i32'), local('i32')];
    const weight = local('v128');
    const sums = Array.from({ length: 4 }, () => local('v128'));
    const min = (x: Code, y: Code) => i32.select(x, y, i32.ltU(x, y));
    const advance = (local: Local, by: Local) => local.set(i32.add(local.get, by.get));

    const tap = [
      weight.set(v128.load(wTap.get)),
      pointer.set(xTap.get),
      ...sums.flatMap((sum) => [
        sum.set(f32x4.add(sum.get, f32x4.mul(v128.load(pointer.get), weight.get))),
        advance(pointer, p.xJ),
      ]),
      advance(xTap, p.xB),
      advance(wTap, p.wB),
    ];
    const tapRow = [
      xTap.set(xRow.get),
      wTap.set(wRow.get),
      countTo(b, p.tapColumns.get, 1, ...tap),
      advance(xRow, p.xA),
      advance(wRow, p.wA),
    ];
    const block = [
      channel.set(min(c.get, i32.sub(p.channelBytes.get, i32.const(16)))),
      xRow.set(i32.add(i32.add(p.x.get, i32.mul(column.get, p.xJ.get)), channel.get)),
      wRow.set(i32.add(p.w.get, channel.get)),
      ...sums.map((sum) => sum.set(f32x4.const(0))),
      countTo(a, p.tapRows.get, 1, ...tapRow),
      pointer.set(i32.add(i32.add(p.out.get, i32.mul(column.get, p.outJ.get)), channel.get)),
      ...sums.flatMap((sum) => [v128.store(pointer.get, sum.get), advance(pointer, p.outJ)]),
    ];
    const tile = [
      column.set(min(j.get, i32.sub(p.columns.get, i32.const(4)))),
      countTo(c, p.channelBytes.get, 16, ...block),
    ];
    return countTo(i, p.rows.get, 1, countTo(j, p.columns.get, 4, ...tile), advance(p.x, p.xI), advance(p.out, p.outI));
  },
};
