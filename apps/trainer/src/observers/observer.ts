import type { TrainStep } from '@ddpm/train';

/** A step, as observers see it. */
export interface Step extends TrainStep {
  /** Steps taken, this one included. */
  readonly done: number;
  /** Whether it is the run's last. */
  readonly last: boolean;
  /** From 0. */
  readonly epoch: number;
  /** Images in it. */
  readonly size: number;
  readonly imagesPerSecond: number;
  /** Of training so far, previews and the like not counted. */
  readonly seconds: number;
  /** Observers' measurements at it by name, for those behind them to record. */
  readonly measured: { validationLoss?: number } & Record<string, number>;
}

/** One concern of a run: it is told of each step, in the order in which observers stand. */
export interface Observer {
  step?(step: Step): void | Promise<void>;
  /** All that there is after `done` steps is to be kept, since the run is finished, or interrupted. */
  keep?(done: number, finished: boolean): void | Promise<void>;
  /** Ends what it holds open, whatever happened. */
  close?(): void | Promise<void>;
}

/** Whether something is due that is done every so many steps; never, where that is 0. */
export const isDue = (every: number, done: number): boolean => every > 0 && done % every === 0;

/** Does what a run can do without, and returns whether it was done. */
export type Tolerate = (work: () => unknown) => Promise<boolean>;

/** Ends what observers hold open, all of it, and returns the errors of those that could not. */
export async function closeAll(observers: readonly Observer[]): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const observer of observers) {
    try {
      await observer.close?.();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}
