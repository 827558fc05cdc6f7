/* The fixed tree by which groups of a batch are summed: of rounded numbers, another order gives another sum. */

/** A node of the tree over some leaves: those from one on, and before another. */
export interface Node {
  readonly from: number;
  readonly to: number;
}

/** Processes that compute a batch together. Each calls the same functions in the same order. */
export interface Among {
  /** Which of them this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /**
   * Makes one vector of everyone's, the same everywhere.
   * @param vectors those of this process, each as long as `total`, which may be one of them
   * @param counts how many vectors each process has
   * @param combine makes one of all, in the order of processes, for those elements that fall to this process
   * @param total where the result goes
   */
  reduce(
    vectors: readonly Float32Array[],
    counts: readonly number[],
    combine: (all: readonly Float32Array[]) => Float32Array,
    total: Float32Array,
  ): Promise<void>;
  /**
   * Everyone's values, one after the other.
   * @param counts how many values each process has
   */
  gather(values: Float32Array, counts: readonly number[]): Promise<Float32Array>;
}

/** The leaves that fall to a process: as evenly as can be, in the order of processes. */
export function shareOf(leaves: number, { rank, size }: Pick<Among, 'rank' | 'size'>): Node {
  const before = (processes: number) => Math.floor((processes * leaves) / size);
  return { from: before(rank), to: before(rank + 1) };
}

/** A node's two halves; undefined for a leaf. */
export function halves({ from, to }: Node): readonly [Node, Node] | undefined {
  if (to - from === 1) return undefined;
  const middle = (from + to) >> 1;
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}

/** The largest nodes of the tree over so many leaves that together are the leaves of a range, in order. */
export function nodesOf(leaves: number, range: Node, node: Node = { from: 0, to: leaves }): readonly Node[] {
  if (node.to <= range.from || range.to <= node.from) return [];
  if (range.from <= node.from && node.to <= range.to) return [node];
  return halves(node)!.flatMap((half) => nodesOf(leaves, range, half));
}

/**
 * Sums up the tree over so many leaves from the sums of nodes that together are its leaves.
 * @param nodes their sums, the first of which may be written over
 */
export function sumOf(leaves: number, nodes: readonly (Node & { readonly sum: Float32Array })[]): Float32Array {
  const known = new Map(nodes.map(({ from, to, sum }) => [`${from} ${to}`, sum]));
  const up = (node: Node): Float32Array => {
    const sum = known.get(`${node.from} ${node.to}`);
    if (sum) return sum;
    const [left, right] = halves(node)!;
    return add(up(left), up(right));
  };
  return up({ from: 0, to: leaves });
}

/** a + b, in the place of a. */
export function add(a: Float32Array, b: Float32Array): Float32Array {
  for (let i = 0; i < a.length; i++) a[i] += b[i];
  return a;
}
