import type { DType, Value } from '../graph';
import { cast } from '../ops';

const widths = ['bool', 'int32', 'float32'] as const satisfies readonly DType[];
type TfType = (typeof widths)[number];

/**
 * The values in the widest of their types, as tfjs takes it: float32 before int32 before bool; and in one at least as
 * wide as `least`.
 */
export function promoted<const Values extends readonly Value[]>(
  values: Values,
  least: TfType = 'bool',
): { [I in keyof Values]: Value } {
  const width = Math.max(widths.indexOf(least), ...values.map(({ dtype }) => widths.indexOf(dtype as TfType)));
  return values.map((value) => cast(value, widths[width])) as { [I in keyof Values]: Value };
}

/** As something to calculate with: booleans count as 0 and 1. */
export const numeric = (x: Value): Value => promoted([x], 'int32')[0];
export const float = (x: Value): Value => cast(x, 'float32');
