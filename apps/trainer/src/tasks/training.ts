import type { Checkpoint } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import type { ByteImage } from '@ddpm/images';
import type { Arrays, Batch, Task } from '@ddpm/train';
import type { Settings } from '../table';

/** A kind of training, made of settings, data and an execution. Each kind is a file in this folder. */
export interface Training {
  readonly task: Task;
  /** Its networks as a checkpoint names them, and what they mean. */
  readonly networks: Checkpoint['networks'];
  readonly meaning: Checkpoint['meaning'];
  /** One line that says what is trained. */
  readonly description: string;
  /** A picture of what has been learned, by the values that the task's variables have; of the same noise each time. */
  preview(): Promise<ByteImage>;
  /** The mean loss in each quarter of what the task is harder and easier at; null where there is none. */
  quarters(inputs: Batch, losses: Arrays): (number | null)[];
  /** Floating-point operations for an example forward. */
  operations(): Promise<number>;
  /** Frees what previews run on. */
  dispose(): Promise<void>;
}

/** The ingredients of a training. */
export interface Ingredients {
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly execution: Execution;
  /** The run that is gone on with: its folder, and the networks as its checkpoint names them. */
  readonly resumed?: { readonly folder: string; readonly checkpoint: Checkpoint };
}
