import type { Node, Value } from '../../graph';
import { sizeOf } from '../../graph';
import { nchwc, pad, reshape } from '../../ops';
import { biasPoint, points } from './winograd';

/* A blocked convolution adds a bias at no cost. So where one is added to its result, the convolution is built anew with it. */

/** The value that a node arranges, or that it sums over a tile's points. */
const sourceOf = ({ op, inputs }: Node): Value => inputs[op === 'MatMul' ? 1 : 0]!;

/**
 * The nodes from a value back to the blocked convolution without a bias that it is the result of, which is the last.
 */
function convolutionBehind(value: Value): Node[] | undefined {
  const channels = value.shape.at(-1);
  const nodes: Node[] = [];
  let { node } = value;
  // Pixels may be in another order; channels are as they were.
  const pixelsMove = () => node.op === 'Reshape' || (node.op === 'Gather' && node.attributes.axis === 0);
  while (pixelsMove() && node.outputs[0].shape.at(-1) === channels && node.outputs[0].shape.length > 1) {
    nodes.push(node);
    node = value.graph.resolve(sourceOf(node)).node;
  }
  if (node.op !== 'ReorderOutput' || node.attributes.channels !== channels) return undefined;
  while (['ReorderOutput', 'MatMul', 'Reshape'].includes(node.op)) {
    nodes.push(node);
    node = value.graph.resolve(sourceOf(node)).node;
  }
  if (node.op !== 'Conv' || node.domain !== nchwc || node.inputs.length > 2) return undefined;
  return [...nodes, node];
}

/** value + b, one number for each channel, where value is the result of a blocked convolution. */
export function biasedConv(value: Value, b: Value): Value | undefined {
  const channels = value.shape.at(-1)!;
  if (b.shape.at(-1) !== channels || sizeOf(b.shape) !== channels) return undefined;
  const bias = reshape(b, [channels]);
  const nodes = convolutionBehind(value);
  if (!nodes) return undefined;
  const conv = nodes.pop()!;
  const all = conv.outputs[0].shape[1];
  // Of tiles, only the values at one point take it.
  const tiled = nodes.some(({ op }) => op === 'MatMul');
  const before = tiled ? (biasPoint * all) / points : 0;
  const { graph } = value;
  const rebuilt = ({ op, outputs, attributes, domain }: Node, inputs: readonly (Value | undefined)[]) =>
    graph.node(op, inputs, outputs, attributes, domain)[0];
  const biased = rebuilt(conv, [...conv.inputs, pad(bias, [before], [all - before - channels])]);
  return nodes.reduceRight(
    (result, node) =>
      rebuilt(
        node,
        node.inputs.map((input) => (input === sourceOf(node) ? result : input)),
      ),
    biased,
  );
}
