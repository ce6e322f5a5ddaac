/**
 * What one thread has written and nobody has printed yet, in memory that both sides see: so that a thread that never
 * awaits learns how far the printing is, and what it had to drop is known though it is ended.
 */

/** Per thread: written and not printed. */
export const OUTPUT_MAX_COST = 256 * 1024;
/** How long a thread waits for room before it drops lines: a burst is printed whole, and a reader that has gone stops no task. */
export const ROOM_WAIT_MS = 100;
/** Short lines take time as well, so at most some 500 of a thread are printed before others have a turn. */
const LINE_COST = 512;

const UNPRINTED = 0;
const DROPPED = 1;

/** What a line takes of the budget. */
export function costOf(text: string): number {
  return text.length + LINE_COST;
}

export class OutputBudget {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  #isDropping = false;

  constructor(buffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** The thread's side: true where the line may be posted. Waits a moment for room; false: it counts as dropped. */
  take(cost: number): boolean {
    const limit = this.#isDropping ? OUTPUT_MAX_COST / 2 : OUTPUT_MAX_COST;
    const deadline = performance.now() + ROOM_WAIT_MS;
    for (;;) {
      const unprinted = Atomics.load(this.#words, UNPRINTED);
      // What is larger than everything is taken alone.
      if (unprinted === 0 || unprinted + cost <= limit) break;
      const leftMs = this.#isDropping ? 0 : deadline - performance.now();
      if (leftMs <= 0) {
        // From now on it waits no more: what it writes is dropped until half of it is printed.
        this.#isDropping = true;
        Atomics.add(this.#words, DROPPED, 1);
        return false;
      }
      Atomics.wait(this.#words, UNPRINTED, unprinted, leftMs);
    }
    this.#isDropping = false;
    Atomics.add(this.#words, UNPRINTED, cost);
    return true;
  }

  /** The other side: so much was printed. */
  give(cost: number): void {
    Atomics.sub(this.#words, UNPRINTED, cost);
    Atomics.notify(this.#words, UNPRINTED);
  }

  /** Lines that were dropped since this was asked last. */
  takeDropped(): number {
    return Atomics.exchange(this.#words, DROPPED, 0);
  }
}
