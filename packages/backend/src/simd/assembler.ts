/**
 * A WebAssembly assembler of a screenful. Code is bytes; because WebAssembly is a stack machine, an expression is its
 * operands' code followed by its opcode, so nested calls read like the formula: `f32x4.add(acc, f32x4.mul(a, b))`.
 * Opcodes: https://webassembly.github.io/spec/core/binary/instructions.html
 */
export type Code = readonly number[];

const types = { i32: 0x7f, v128: 0x7b } as const;
export type ValueType = keyof typeof types;

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  const last = (rest === 0 && low < 64) || (rest === -1 && low >= 64);
  return last ? [low] : [low | 128, ...signed(rest)];
}

const operation =
  (...opcode: number[]) =>
  (...operands: Code[]): Code => [...operands.flat(), ...opcode];
const simd = (opcode: number) => operation(0xfd, ...unsigned(opcode));

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  ltU: operation(0x49),
  add: operation(0x6a),
  sub: operation(0x6b),
  mul: operation(0x6c),
  /** The first operand where the third is not 0, else the second. */
  select: operation(0x1b),
};

export const f32x4 = {
  const: (value: number): Code => [0xfd, 0x0c, ...new Uint8Array(new Float32Array(4).fill(value).buffer)],
  add: simd(0xe4),
  mul: simd(0xe6),
};

export const v128 = {
  load: (address: Code): Code => [...address, 0xfd, 0x00, 2, 0],
  store: (address: Code, value: Code): Code => [...address, ...value, 0xfd, 0x0b, 2, 0],
};

export interface Local {
  readonly get: Code;
  readonly set: (value: Code) => Code;
}

/** do { body } while (condition). */
const doWhile = (condition: Code, ...body: Code[]): Code => [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0, 0x0b];

/** for (counter = 0; counter < end; counter += step) body, for an end above 0. */
export const countTo = (counter: Local, end: Code, step: number, ...body: Code[]): Code => [
  ...counter.set(i32.const(0)),
  ...doWhile(i32.ltU(counter.get, end), ...body, counter.set(i32.add(counter.get, i32.const(step)))),
];

/** A function of i32 parameters that returns nothing. `local` declares a variable. */
export interface Definition<Parameter extends string = string> {
  readonly parameters: readonly Parameter[];
  readonly body: (parameters: Readonly<Record<Parameter, Local>>, local: (type: ValueType) => Local) => Code;
}

const variable = (index: number): Local => ({
  get: [0x20, ...unsigned(index)],
  set: (value) => [...value, 0x21, ...unsigned(index)],
});

const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, items: readonly Code[]): number[] => {
  const content = vector(items);
  return [id, ...unsigned(content.length), ...content];
};
const text = (value: string): number[] => [
  ...unsigned(value.length),
  ...Array.from(value, (character) => character.charCodeAt(0)),
];

/**
 * Assembles the function into a module of its own that works in `memory`. The arguments of the result are given by
 * name.
 */
export function assemble<Parameter extends string>(
  { parameters, body }: Definition<Parameter>,
  memory: WebAssembly.Memory,
): (args: Readonly<Record<Parameter, number>>) => void {
  const locals: ValueType[] = [];
  const named = Object.fromEntries(parameters.map((name, index) => [name, variable(index)])) as Record<
    Parameter,
    Local
  >;
  const code = body(named, (type) => variable(parameters.length + locals.push(type) - 1));
  const content = [...vector(locals.map((type) => [1, types[type]])), ...code, 0x0b];
  // A shared memory must state a maximum: 65,536 pages, which is all that 32-bit addresses reach.
  const limits = memory.buffer[Symbol.toStringTag] === 'ArrayBuffer' ? [0, 0] : [3, 0, ...unsigned(65536)];
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, ...vector(parameters.map(() => [types.i32])), 0]]),
    ...section(2, [[...text('env'), ...text('memory'), 2, ...limits]]),
    ...section(3, [[0]]),
    ...section(7, [[...text('run'), 0, 0]]),
    ...section(10, [[...unsigned(content.length), ...content]]),
  ];
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), { env: { memory } });
  const run = exports.run as (...args: number[]) => void;
  return (args) => run(...parameters.map((name) => args[name]));
}
