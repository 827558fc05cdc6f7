import type { Request } from '../run/protocol';
import type { TensorData } from '../run/data';
import type { WeightMemory } from '../run/weights';
import type { Runtime } from './runtime';

/* What a page and its workers say to each other, besides what all pools do. */

export interface StartMessage {
  readonly kind: 'start';
  /** A worker's copy; what is written to the page's later is sent after. */
  readonly weights: WeightMemory;
  readonly runtime: Runtime;
  readonly threads: number;
}

export interface WeightsMessage {
  readonly kind: 'weights';
  readonly changes: readonly { readonly index: number; readonly data: TensorData }[];
}

export type Message = StartMessage | WeightsMessage | Request;
