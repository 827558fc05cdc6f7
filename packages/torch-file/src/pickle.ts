import type { Bytes } from './bytes';
import { fail, show, viewOf } from './bytes';

/** An object that a pickle names: `collections.OrderedDict`. `call` is what REDUCE does with it, if it may be called. */
export interface Global {
  readonly name: string;
  readonly call?: (...args: readonly unknown[]) => unknown;
}

/** The meaning of the opcodes that are not about plain data. */
export interface Names {
  /** The object of a name; undefined if it is not known. */
  readonly find: (name: string) => Global | undefined;
  /** An object outside the pickle, by its id. */
  readonly persistent: (id: unknown) => unknown;
}

/** Objects that one pickle may make, of which a tensor needs about eight. */
const MAX_OBJECTS = 1_000_000;
const WINDOW = 65536;
const EMPTY: readonly unknown[] = Object.freeze([]);

/** A place in a file that moves on as it is read. */
export class Cursor {
  readonly #bytes: Bytes;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  position: number;
  readonly end: number;

  constructor(bytes: Bytes, { start = 0, end = bytes.length } = {}) {
    this.#bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** The next bytes. */
  take(length: number): Uint8Array {
    if (!(length <= this.end - this.position)) {
      fail(`${length} bytes are due at byte ${this.position}, and ${this.end - this.position} follow; it is cut off`);
    }
    if (this.position + length > this.#windowStart + this.#window.length) {
      this.#windowStart = this.position;
      const wanted = Math.min(this.end, this.position + Math.max(length, WINDOW));
      this.#window = this.#bytes.subarray(this.position, wanted);
    }
    const at = this.position - this.#windowStart;
    this.position += length;
    return this.#window.subarray(at, at + length);
  }

  byte(): number {
    const at = this.position - this.#windowStart;
    if (at >= this.#window.length || this.position >= this.end) return this.take(1)[0];
    this.position++;
    return this.#window[at];
  }

  /** Text up to a line feed, which is left out. */
  line(): string {
    const codes: number[] = [];
    for (let code = this.byte(); code !== 10; code = this.byte()) {
      if (codes.push(code) > 1000) fail(`a name of more than 1000 characters ends before byte ${this.position}`);
    }
    return String.fromCharCode(...codes);
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const latin1 = (bytes: Uint8Array): string => {
  // TextDecoder's latin1 is windows-1252.
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

/** A little-endian integer in two's complement: a number, or a bigint where that is not exact. */
function long(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  const signed = BigInt.asIntN(8 * bytes.length, value);
  const number = Number(signed);
  return Number.isSafeInteger(number) ? number : signed;
}

/**
 * The object that a pickle makes, of the opcodes that Python writes for plain data in protocols 2 to 5: dicts become
 * Maps, lists and tuples arrays, None null, integers numbers or, where these are not exact, bigints. Nothing is executed
 * but what `names` knows.
 * @throws Error in one line, if it names anything else, or is damaged
 */
export function unpickle(cursor: Cursor, { find, persistent }: Names): unknown {
  const stack: unknown[] = [];
  const marks: number[] = [];
  const memo = new Map<number, unknown>();
  let objects = 0;

  const damaged = (what: string): never => fail(`the pickle is damaged before byte ${cursor.position}: ${what}`);
  const made = <T>(object: T): T => {
    if (++objects > MAX_OBJECTS) fail(`the pickle makes more than ${MAX_OBJECTS} objects; no checkpoint does`);
    return object;
  };
  /** How high the stack must stay: what lies under the last mark is not touched. */
  const floor = () => marks.at(-1) ?? 0;
  const pop = (): unknown => {
    if (stack.length <= floor()) damaged('an operation finds nothing to work on');
    return stack.pop();
  };
  const popMark = (): unknown[] => {
    const mark = marks.pop() ?? damaged('a mark is missing');
    return stack.splice(mark);
  };
  const top = (): unknown => {
    if (stack.length <= floor()) damaged('an operation finds nothing to work on');
    return stack.at(-1);
  };
  const number = (length: number): number => {
    const view = viewOf(cursor.take(length));
    return length === 1 ? view.getUint8(0) : length === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
  };
  const longNumber = (): number => Number(viewOf(cursor.take(8)).getBigUint64(0, true));
  const get = (index: number): unknown => (memo.has(index) ? memo.get(index) : damaged(`there is no memo ${index}`));
  const append = (items: readonly unknown[]) => {
    const list = top();
    if (!Array.isArray(list) || Object.isFrozen(list)) return damaged('something is added to what is no list');
    for (const item of items) list.push(item);
  };
  const setItems = (items: readonly unknown[]) => {
    const dict = top();
    if (!(dict instanceof Map)) return damaged('an item is set in what is no dict');
    if (items.length % 2 !== 0) return damaged('a key has no value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  };
  const known = (module: string, name: string): Global =>
    find(`${module}.${name}`) ??
    fail(
      `the file names ${show(`${module}.${name}`)}, which is no part of a tensor; nothing from files is executed: save the state_dict alone`,
    );
  const reduce = () => {
    const args = pop();
    const callee = pop() as Partial<Global> | undefined;
    if (!Array.isArray(args) || typeof callee?.call !== 'function') {
      return damaged('something is called that is no function');
    }
    stack.push(made(callee.call(...(args as unknown[]).slice(0, 16))));
  };

  for (;;) {
    const opcode = cursor.byte();
    switch (opcode) {
      case 0x80: {
        const protocol = cursor.byte();
        if (protocol < 2 || protocol > 5) fail(`the pickle's protocol is ${protocol}; 2 to 5 are read`);
        break;
      }
      case 0x95: // FRAME
        longNumber();
        break;
      case 0x2e: // STOP
        if (stack.length !== 1 || marks.length !== 0) damaged(`it leaves ${stack.length} objects and not 1`);
        return stack[0];
      case 0x28: // MARK
        marks.push(stack.length);
        break;

      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x4b: // BININT1
        stack.push(number(1));
        break;
      case 0x4d: // BININT2
        stack.push(number(2));
        break;
      case 0x4a: // BININT
        stack.push(number(4) | 0);
        break;
      case 0x8a: // LONG1
        stack.push(long(cursor.take(number(1))));
        break;
      case 0x47: // BINFLOAT
        stack.push(viewOf(cursor.take(8)).getFloat64(0, false));
        break;

      case 0x8c: // SHORT_BINUNICODE
        stack.push(utf8.decode(cursor.take(number(1))));
        break;
      case 0x58: // BINUNICODE
        stack.push(utf8.decode(cursor.take(number(4))));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(utf8.decode(cursor.take(longNumber())));
        break;
      case 0x55: // SHORT_BINSTRING, of Python 2
        stack.push(latin1(cursor.take(number(1))));
        break;
      case 0x54: // BINSTRING
        stack.push(latin1(cursor.take(number(4))));
        break;
      case 0x43: // SHORT_BINBYTES
        stack.push(Uint8Array.from(cursor.take(number(1))));
        break;
      case 0x42: // BINBYTES
        stack.push(Uint8Array.from(cursor.take(number(4))));
        break;

      case 0x7d: // EMPTY_DICT
        stack.push(made(new Map()));
        break;
      case 0x5d: // EMPTY_LIST
        stack.push(made([]));
        break;
      case 0x29: // EMPTY_TUPLE
        stack.push(EMPTY);
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: opcode - 0x84 }, pop).reverse();
        stack.push(made(Object.freeze(items)));
        break;
      }
      case 0x74: // TUPLE
        stack.push(made(Object.freeze(popMark())));
        break;
      case 0x61: // APPEND
        append([pop()]);
        break;
      case 0x65: // APPENDS
        append(popMark());
        break;
      case 0x73: {
        // SETITEM
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 0x75: // SETITEMS
        setItems(popMark());
        break;

      case 0x71: // BINPUT
        memo.set(number(1), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(number(4), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68: // BINGET
        stack.push(get(number(1)));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(get(number(4)));
        break;

      case 0x63: // GLOBAL
        stack.push(known(cursor.line(), cursor.line()));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [name, module] = [pop(), pop()];
        if (typeof module !== 'string' || typeof name !== 'string') return damaged('a name is no text');
        stack.push(known(module, name));
        break;
      }
      case 0x52: // REDUCE
        reduce();
        break;
      case 0x51: // BINPERSID
        stack.push(made(persistent(pop())));
        break;
      case 0x62: // BUILD: attributes of a dict, of which a state_dict has `_metadata`, the versions of its modules
        pop();
        if (!(top() instanceof Map)) damaged('attributes are given to what is no OrderedDict');
        break;

      default:
        fail(
          `the pickle has opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${cursor.position - 1}, which tensors do not need`,
        );
    }
  }
}
