import type { JsonObject } from '@ddpm/checkpoint';
import type { DenoiserMeaning } from '@ddpm/models';
import type { Batch, Task } from '@ddpm/train';
import type { Training } from './training';

/** How a network is told captions: by tokens, or by what a frozen encoder says of them. */
export interface Telling {
  /** Options of a network that can be told them so. */
  readonly options: JsonObject;
  /** The conditions of such a network. */
  readonly conditions: readonly string[];
  /** These captions. */
  condition(captions: readonly string[]): Promise<Batch>;
  /** A task that now and then leaves captions out. */
  dropped(task: Task): Task;
  /** How captions become conditions, for those who draw. */
  readonly meaning: Pick<DenoiserMeaning, 'captions' | 'text'>;
  /** How they become fields of examples. */
  readonly training: Pick<Training, 'tokenizer' | 'encode'>;
  /** A few words for the network's description. */
  readonly says: string;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}
