import type { Attribute, ConstantData, DType, Node, Shape, Value } from './graph';
import { reachable, sizeOf } from './graph';

/**
 * ModelProto, as far as this package needs it (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3): fields are
 * written straight into chunks, which for a format this small and models this large is shorter, and faster, than
 * building objects for a protobuf library.
 */
class Message {
  readonly chunks: Uint8Array[] = [];
  length = 0;

  private bytes(chunk: Uint8Array): this {
    this.chunks.push(chunk);
    this.length += chunk.length;
    return this;
  }

  private varint(value: number): this {
    const out: number[] = [];
    // Negative numbers are their 64-bit two's complement.
    let rest = value < 0 ? value + 2 ** 32 : value;
    for (let high = value < 0 ? 2 ** 32 - 1 : 0; rest > 127 || high > 0; high = Math.floor(high / 128)) {
      out.push((rest % 128) | 128);
      rest = Math.floor(rest / 128) + (high % 128) * 2 ** 25;
    }
    out.push(rest);
    return this.bytes(Uint8Array.from(out));
  }

  int(field: number, value: number): this {
    return this.varint(field << 3).varint(value);
  }

  float(field: number, value: number): this {
    return this.varint((field << 3) | 5).bytes(new Uint8Array(Float32Array.of(value).buffer));
  }

  blob(field: number, value: Uint8Array): this {
    return this.varint((field << 3) | 2)
      .varint(value.length)
      .bytes(value);
  }

  text(field: number, value: string): this {
    return this.blob(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    this.varint((field << 3) | 2).varint(value.length);
    for (const chunk of value.chunks) this.chunks.push(chunk);
    this.length += value.length;
    return this;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.length);
    let offset = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, offset);
      offset += chunk.length;
    }
    return out;
  }
}

/** The opset whose operators are written: the one where all reductions take their axes as an input. */
const opset = 18;
const elementType: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };
const floatAttributes = new Set(['alpha', 'beta', 'epsilon', 'scale']);

/** Operators whose outputs after the first may be left out. */
const optionalOutputs = new Set(['LayerNormalization', 'MaxPool']);

/** A named value at a model's boundary. A dimension given by name varies from run to run. */
export interface Port {
  readonly name: string;
  readonly value: Value;
  readonly shape?: readonly (number | string)[];
  /** For an input: what lies in it one after the other, where the graph uses those values, and not the port's own. */
  readonly parts?: readonly Value[];
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'string') return message.text(4, value).int(20, 3);
  if (typeof value === 'number')
    return floatAttributes.has(name) ? message.float(2, value).int(20, 1) : message.int(3, value).int(20, 2);
  for (const item of value) message.int(8, item);
  return message.int(20, 7);
}

function tensorBytes(data: ConstantData, size: number, dtype: DType): Uint8Array {
  const full =
    data.length === size ? data : new (data.constructor as new (length: number) => ConstantData)(size).fill(data[0]);
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(full as Float64Array, BigInt).buffer);
  return new Uint8Array(full.buffer, full.byteOffset, full.byteLength);
}

function tensor(name: string, value: Value): Message {
  const message = new Message();
  for (const size of value.shape) message.int(1, size);
  return message
    .int(2, elementType[value.dtype])
    .text(8, name)
    .blob(9, tensorBytes(value.node.data!, sizeOf(value.shape), value.dtype));
}

function port({ name, value, shape = value.shape }: Port): Message {
  const dimensions = new Message();
  for (const size of shape)
    dimensions.message(1, typeof size === 'string' ? new Message().text(2, size) : new Message().int(1, size));
  const type = new Message().message(1, new Message().int(1, elementType[value.dtype]).message(2, dimensions));
  return new Message().text(1, name).message(2, type);
}

/** A model's properties besides its graph. */
export interface ModelOptions {
  /** Text that runtimes show, by key. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The name of a first output that is an empty sequence. */
  readonly endMarker?: string;
}

/**
 * The ONNX model that computes the outputs from the inputs; what they do not depend on is left out.
 * An output that is itself an input or a constant is passed through an Identity, since ORT wants outputs to be results
 * of nodes.
 */
export function writeModel(
  inputs: readonly Port[],
  outputs: readonly Port[],
  { metadata = {}, endMarker }: ModelOptions = {},
): Uint8Array {
  const names = new Map<Value, string>();
  for (const { name, value } of inputs) names.set(value, name);
  const graph = new Message();
  const initializers = new Message();
  const domains = new Set(['']);

  const nameOf = (value: Value | undefined): string => {
    if (!value) return '';
    const resolved = value.graph.resolve(value);
    let name = names.get(resolved);
    if (name === undefined) names.set(resolved, (name = `v${resolved.id}`));
    return name;
  };
  const node = (
    op: string,
    domain: string,
    from: readonly string[],
    to: readonly string[],
    attributes: Node['attributes'],
  ) => {
    const message = new Message();
    for (const name of from) message.text(1, name);
    for (const name of to) message.text(2, name);
    message.text(4, op);
    for (const [name, value] of Object.entries(attributes)) message.message(5, attribute(name, value));
    if (domain !== '') message.text(7, domain);
    domains.add(domain);
    graph.message(1, message);
  };

  const inputValues = new Set(inputs.flatMap(({ value, parts = [value] }) => parts));
  const nodes = reachable(
    outputs.map(({ value }) => value),
    inputValues,
  );
  for (const { name, value } of outputs) {
    const resolved = value.graph.resolve(value);
    if (!names.has(resolved) && resolved.node.op !== 'Constant') names.set(resolved, name);
  }
  const used = new Set(nodes.flatMap(({ inputs: from }) => from.map((value) => value && value.graph.resolve(value))));
  for (const { value } of outputs) used.add(value.graph.resolve(value));
  for (const { name, parts } of inputs) {
    if (!parts) continue;
    const int64s = (values: readonly number[]): string => {
      const value = parts[0].graph.constant(values, [values.length], 'int64');
      const to = `${name}.int64s${initializers.chunks.length}`;
      initializers.message(5, tensor(to, value));
      return to;
    };
    const flat = parts.map((part, i) => (part.shape.length === 1 ? nameOf(part) : `${name}.${i}`));
    const { results = Infinity } = parts[0].graph.target;
    /** In several steps where a node may not have as many results. */
    const divide = (from: string, to: readonly (readonly [name: string, size: number])[]): void => {
      const each = Math.ceil(to.length / results);
      const groups = Array.from({ length: to.length <= results ? to.length : results }, (_, i) =>
        to.length <= results ? [to[i]] : to.slice(i * each, (i + 1) * each),
      ).filter(({ length }) => length > 0);
      const names = groups.map((group, i) => (group.length === 1 ? group[0][0] : `${from}.part${i}`));
      const sizes = groups.map((group) => group.reduce((sum, [, size]) => sum + size, 0));
      node('Split', '', [from, int64s(sizes)], names, { axis: 0 });
      for (const [i, group] of groups.entries()) if (group.length > 1) divide(names[i], group);
    };
    divide(
      name,
      parts.map(({ shape }, i) => [flat[i], sizeOf(shape)]),
    );
    for (const [i, part] of parts.entries())
      if (part.shape.length !== 1) node('Reshape', '', [flat[i], int64s(part.shape)], [nameOf(part)], {});
  }
  for (const { op, domain, inputs: from, outputs: to, attributes, name } of nodes) {
    if (op === 'Constant') initializers.message(5, tensor(nameOf(to[0]), to[0]));
    else if (op === 'Input')
      throw new Error(`writeModel: the outputs depend on ${name}, which is not among the inputs`);
    else {
      // Optional outputs that nothing uses are left out, so that they need not be computed.
      const results = to.map((value, i) =>
        i === 0 || used.has(value) || !optionalOutputs.has(op) ? nameOf(value) : '',
      );
      while (results.at(-1) === '') results.pop();
      node(op, domain, from.map(nameOf), results, attributes);
    }
  }
  for (const { name, value } of outputs) if (nameOf(value) !== name) node('Identity', '', [nameOf(value)], [name], {});
  graph.text(2, 'graph');
  for (const chunk of initializers.chunks) graph.chunks.push(chunk);
  graph.length += initializers.length;
  for (const input of inputs) graph.message(11, port(input));
  if (endMarker !== undefined) {
    node('SequenceEmpty', '', [], [endMarker], {});
    const element = new Message().message(1, new Message().int(1, elementType.float32));
    graph.message(
      12,
      new Message().text(1, endMarker).message(2, new Message().message(4, new Message().message(1, element))),
    );
  }
  for (const output of outputs) graph.message(12, port(output));

  const model = new Message().int(1, 8).text(2, '@ddpm/compile').message(7, graph);
  for (const domain of domains) model.message(8, new Message().text(1, domain).int(2, domain === '' ? opset : 1));
  for (const [key, value] of Object.entries(metadata)) model.message(14, new Message().text(1, key).text(2, value));
  return model.finish();
}

/** Describes a shape in an error message. */
export const shapeText = (shape: Shape): string => `[${shape.join(', ')}]`;
