import { TestEnvironment } from 'jest-environment-node';

const shared = [
  ArrayBuffer,
  SharedArrayBuffer,
  DataView,
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array],
  ...[BigInt64Array, BigUint64Array],
];
const errors = [Error, TypeError, RangeError, SyntaxError];

/**
 * Jest runs tests in a realm of their own, where `x instanceof Float32Array` is false for arrays made by native addons and
 * workers. This environment gives the test realm the outer realm's binary types, and lets its error types recognise outer errors.
 */
export default class OneRealmEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const type of shared) this.global[type.name] = type;
    for (const outer of errors) {
      const inner = this.global[outer.name];
      Object.defineProperty(inner, Symbol.hasInstance, {
        configurable: true,
        // Subclasses inherit this method, so they must keep the ordinary meaning.
        value(value) {
          return Function.prototype[Symbol.hasInstance].call(this, value) || (this === inner && value instanceof outer);
        },
      });
    }
  }
}
