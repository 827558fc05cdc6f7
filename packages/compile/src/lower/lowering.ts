import type { Graph, Value } from '../graph';

/** A call of a tfjs kernel. */
export interface KernelCall {
  readonly graph: Graph;
  /** By the kernel's names for them; those left out are absent. */
  readonly inputs: Record<string, Value>;
  /** The inputs of a kernel that takes a list. */
  readonly all: Value[];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- every kernel has its own attributes
  readonly attrs: any;
}

/** Computes what the tfjs kernel of that name computes, in operators of the graph. */
export type Lowering = (call: KernelCall) => Value | Value[];
export type Lowerings = Readonly<Record<string, Lowering>>;
