/** One batch, as plain arrays: n images x_0 and as much noise ε, [n, h, w, c] row by row, and n timesteps. */
export interface TrainBatch {
  /** x_0, in [−1, 1]. */
  readonly xStart: Float32Array;
  /** ε. */
  readonly noise: Float32Array;
  /** From 0 to T − 1. */
  readonly t: Int32Array;
  /** Whatever else the network is given, by name; the first axis of each is the batch. */
  readonly condition?: Readonly<Record<string, Float32Array | Int32Array>>;
}

/** What a training step found. */
export interface TrainStepResult {
  /** The mean loss of the batch, before the step. */
  readonly loss: number;
  /** The L2 norm of the whole gradient, before it is clipped. */
  readonly gradNorm: number;
  /** The loss of each image, where the loss function gives it. */
  readonly losses?: Float32Array;
  /** Whether the step was not taken, because the loss or the gradient is not finite. */
  readonly skipped: boolean;
}

/** What the training loop needs of whatever executes the network. */
export interface TrainEngine {
  /** One step of the optimizer. */
  step(batch: TrainBatch, options: { learningRate: number }): Promise<TrainStepResult>;
  /** The current parameters by name: the engine's own arrays, valid until the next step. */
  parameters(): ReadonlyMap<string, Float32Array>;
  /** The weights to sample with: their moving average, or the parameters where there is none. */
  averaged(): ReadonlyMap<string, Float32Array>;
  /** Parameters, moments, step and moving average: all that a checkpoint needs to go on exactly. */
  state(): Promise<Map<string, Float32Array>>;
  /**
   * Goes on from where `state()` was taken.
   * @throws Error if the state is not one of an engine with the same parameters and optimizer.
   */
  restore(state: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** Frees what executes the network. */
  dispose(): void;
}
