import type { OptionTable, SettingsOf } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import type { Dataset, Tokenizer } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import type { ByteImage } from '@ddpm/images';
import type { Arrays, Batch, Task } from '@ddpm/train';
import type { CommonSettings } from '../common-table';
import type { Reporter } from '../reporter';

/** A kind of training, as `--task` names it. Each is a file in this folder, in the list of `index.ts`. */
export interface Kind<Settings = CommonSettings> {
  readonly name: string;
  /** A description in a few words, for `--help`. */
  readonly does: string;
  /** Its own options, beside those that every kind has, under the headings of `--help`. */
  readonly options: OptionTable;
  /** Where its settings may start from, by names that no other kind has; the first is the default. */
  readonly presets: Readonly<Record<string, Preset<Settings>>>;
  /**
   * The kinds of training whose models `--from` may name, where they are others than its own: their data are its own
   * then, unless others are asked for.
   */
  readonly begins?: readonly string[];
  /** The option that asks for it where `--task` does not, such as `lora`. */
  readonly calledBy?: string;
  /** The fields of an example that it cannot do without, beside the image, such as `label`. */
  readonly needs?: readonly string[];
  /**
   * Settings that go together: those that others make meaningless are left out, and those that depend on others filled
   * in.
   * @param settings a preset, changed by a file or the command line
   * @param given the names of those that the file or the command line gives, which may not be left out
   * @throws UsageError in one line if what is given does not go together
   */
  settle?(settings: Settings, given: readonly string[]): Settings;
  /**
   * Makes networks and what trains them; nothing is written.
   * @throws Error in one line if settings, data and network do not go together
   */
  make(ingredients: Ingredients<Settings>): Promise<Training>;
}

/** Settings to start from. */
export interface Preset<Settings = CommonSettings> {
  /** A description in a few words, for `--help`. */
  readonly does: string;
  readonly settings: Settings;
  /** What is otherwise for another dataset than that of the settings, beside `flip`, which is false. */
  readonly elsewhere?: Partial<Settings>;
}

/** A kind of training for the list, where the types of its own settings are forgotten. */
export const kind = <O extends OptionTable>(
  spec: { readonly options: O } & Kind<CommonSettings & SettingsOf<O>>,
): Kind => spec;

/** A training, made of settings, data and an execution. */
export interface Training {
  /** The task that is learned. Every term of its losses is recorded by its name, in training and in validation. */
  readonly task: Task;
  /**
   * The task whose losses on held-out examples are measured, of the same parameters; `task` by default. It differs
   * where training draws what the measure should not, such as labels that are left out.
   */
  readonly validation?: Task;
  /** Makes tokens of the dataset's captions, where the task wants the field `tokens`. */
  readonly tokenizer?: Tokenizer;
  /**
   * The dataset with what its examples have in place of images, for images that it is trained on or measured by, where
   * it is trained on something else.
   */
  encode?(images: Dataset): Promise<Dataset>;
  /** Its networks as a checkpoint names them: one, or several, whose names begin those of their parameters. */
  readonly networks: Checkpoint['networks'];
  /** Their meaning. */
  readonly meaning: Checkpoint['meaning'];
  /** Settings that were measured on the way, which the run's checkpoints hold in place of those given. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Measures of the data for those who use the networks, as checkpoints hold them. */
  readonly measured?: Checkpoint['measured'];
  /** The weights of those of its networks that the task knows nothing of: a checkpoint holds them beside its own. */
  readonly kept?: Checkpoint['weights'];
  /** Whether its variables have their first values by themselves, and not those of `--from` by their names. */
  readonly begun?: boolean;
  /** Files that are written beside each checkpoint, by name, of the values that the task's variables have. */
  files?(): Promise<Readonly<Record<string, Uint8Array>>>;
  /** One line that says what is trained. */
  readonly description: string;
  /** Lines with what else there is to know of it. */
  readonly notes?: readonly string[];
  /**
   * A picture of what has been learned, by the values that the task's variables have; of the same noise each time. Left
   * out where there is nothing to look at.
   */
  preview?(): Promise<ByteImage>;
  /**
   * So many images, drawn by the values that the task's variables have, as `preview` draws them; their classes are
   * those that they were drawn as. Left out where none are drawn.
   */
  images?(count: number): Promise<Dataset>;
  /** The mean loss in each quarter of what the task is harder and easier at, if anything; null where there is none. */
  quarters?(inputs: Batch, losses: Arrays): (number | null)[];
  /** Floating-point operations for an example forward. */
  operations(): Promise<number>;
  /** Frees what previews run on. */
  dispose(): Promise<void>;
}

/** The parts that a training is made of. */
export interface Ingredients<Settings = CommonSettings> {
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly execution: Execution;
  /** Told what goes wrong without ending the run, and how far long work is. */
  readonly reporter: Pick<Reporter, 'warn' | 'progress'>;
  /** The run that is gone on with, or begun from: its folder, and its checkpoint, which says how networks are made. */
  readonly before?: {
    readonly folder: string;
    readonly checkpoint: Pick<Checkpoint, 'networks' | 'meaning' | 'weights' | 'measured' | 'settings'>;
  };
}
