/**
 * A tuple: an ordinary array that carries a mark, so that it means several arguments where an array means one (an item
 * of `map`, what a task hands on). The mark hangs on a global symbol and is not enumerable: two copies of this package
 * agree on it, and a comparison of arrays does not see it.
 */

const TUPLE: unique symbol = Symbol.for('huey-runtime.tuple');

/** An array that stands for several values. Python: a tuple. */
export type Tuple<T extends readonly unknown[]> = T & { readonly [TUPLE]: true };

/** `tuple(1, 'a')`: several values in one. */
export function tuple<const T extends readonly unknown[]>(...items: T): Tuple<Writable<T>> {
  return markTuple([...items]) as unknown as Tuple<Writable<T>>;
}

export function isTuple(value: unknown): value is Tuple<unknown[]> {
  return Array.isArray(value) && (value as { [TUPLE]?: unknown })[TUPLE] === true;
}

/** Marks this very array. */
export function markTuple<T extends unknown[]>(items: T): Tuple<T> {
  Object.defineProperty(items, TUPLE, { value: true });
  return items as Tuple<T>;
}

type Writable<T extends readonly unknown[]> = { -readonly [K in keyof T]: Widened<T[K]> };
/** `tuple(1, 2)` is a tuple of numbers, not of the literals 1 and 2. */
type Widened<T> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : T extends bigint ? bigint : T;
