import type { TensorValues } from '@ddpm/layers';
import type { LucidrainsOptions } from '../src/lucidrains/index';

export function compareWithGolden(
  lucidrains: typeof import('../src/lucidrains/index'),
  options: LucidrainsOptions,
  golden: ReadonlyMap<string, TensorValues>,
): { readonly output: number; readonly gradients: number };
