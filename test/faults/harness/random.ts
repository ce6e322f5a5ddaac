/** Random numbers that a seed repeats (mulberry32): which moment, which process, how long. */

export class Random {
  #state: number;

  /** `salt` keeps rows apart that were given the same seed. */
  constructor(seed: number, salt = '') {
    this.#state = seed >>> 0;
    for (const char of salt) this.#state = Math.imul(this.#state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }

  /** From 0 up to, but not, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both possible. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** @throws RangeError for an empty list */
  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}
