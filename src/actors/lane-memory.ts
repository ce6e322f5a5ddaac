/**
 * The memory that a place and its thread share for one lane: a word per task and an arena for results. It lets the
 * supervisor take back what has not started, and see what runs, without a message and without the thread's help.
 *
 *                 claim            publish           done
 *     OFFERED ----------> RUNNING ----------> COMMITTING ----> DONE      its record is in the arena
 *        |                   |  \------------------------------> REPORTED  its outcome travels as a message
 *        | takeBack          | stop
 *        v                   v
 *      TAKEN              STOPPING --> (REPORTED, or the end of the thread)
 *
 * Invariants: the thread makes every move but `takeBack` and `stop`, which are the supervisor's; each move is a
 * compare-and-swap, so exactly one side wins; a task is STOPPING before its thread is ended on purpose, so no finished
 * result is lost to that; bytes of the arena below `used` are never written again before the next chunk.
 */
import { CHUNK_MAX } from '../runtime/limits.js';

export const ARENA_BYTES = 128 * 1024;
/** Of each of the many lanes of a place that runs several tasks at once. */
export const SMALL_ARENA_BYTES = 8 * 1024;
const WORDS = CHUNK_MAX + 1;
const ARENA_AT = WORDS * 4 + CHUNK_MAX;

export const Slot = { OFFERED: 1, RUNNING: 2, COMMITTING: 3, DONE: 4, REPORTED: 5, TAKEN: 6, STOPPING: 7 } as const;
export type SlotState = (typeof Slot)[keyof typeof Slot];

export class LaneMemory {
  readonly buffer: SharedArrayBuffer;
  /** [0] = used bytes of the arena; [1 + i] = state of task i. */
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** Why a task is STOPPING: 1 = it was canceled. Written before. */
  readonly #reasons: Uint8Array<SharedArrayBuffer>;
  readonly arena: Uint8Array<SharedArrayBuffer>;

  constructor(buffer = LaneMemory.allocate(ARENA_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, WORDS);
    this.#reasons = new Uint8Array(buffer, WORDS * 4, CHUNK_MAX);
    this.arena = new Uint8Array(buffer, ARENA_AT);
  }

  static allocate(arenaBytes: number): SharedArrayBuffer {
    return new SharedArrayBuffer(ARENA_AT + arenaBytes);
  }

  /** Before a chunk is posted; the post orders these plain writes for the thread. */
  offer(count: number): void {
    this.#words[0] = 0;
    this.#words.fill(Slot.OFFERED, 1, 1 + count);
  }

  state(slot: number): SlotState {
    return Atomics.load(this.#words, 1 + slot) as SlotState;
  }

  claim(slot: number): boolean {
    return this.#swap(slot, Slot.OFFERED, Slot.RUNNING);
  }

  takeBack(slot: number): boolean {
    return this.#swap(slot, Slot.OFFERED, Slot.TAKEN);
  }

  /** From here on the run cannot complete any more. */
  stop(slot: number, canceled = false): boolean {
    if (this.state(slot) === Slot.RUNNING) Atomics.store(this.#reasons, slot, canceled ? 1 : 0);
    return this.#swap(slot, Slot.RUNNING, Slot.STOPPING);
  }

  /** Whether the supervisor has stopped this run. */
  stopping(slot: number): boolean {
    return slot >= 0 && this.state(slot) === Slot.STOPPING;
  }

  /** Whether it was stopped because it was canceled. */
  canceled(slot: number): boolean {
    return this.stopping(slot) && Atomics.load(this.#reasons, slot) === 1;
  }

  /** False where the supervisor has stopped the run: its result does not count. */
  publish(slot: number): boolean {
    return this.#swap(slot, Slot.RUNNING, Slot.COMMITTING);
  }

  /** The record of the task ends at `used`. */
  done(slot: number, used: number): void {
    Atomics.store(this.#words, 0, used);
    Atomics.store(this.#words, 1 + slot, Slot.DONE);
  }

  reported(slot: number): void {
    Atomics.store(this.#words, 1 + slot, Slot.REPORTED);
  }

  get used(): number {
    return Atomics.load(this.#words, 0);
  }

  /** The same for the thread, which is the only one that changes it. */
  get ownUsed(): number {
    return this.#words[0] ?? 0;
  }

  /** Whether the records of the first `count` tasks are all in the arena. */
  allDone(count: number): boolean {
    for (let slot = 0; slot < count; slot++) if (this.state(slot) !== Slot.DONE) return false;
    return true;
  }

  /** A copy of the records between two positions. */
  records(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    bytes.set(this.arena.subarray(from, to));
    return bytes;
  }

  #swap(slot: number, from: SlotState, to: SlotState): boolean {
    return Atomics.compareExchange(this.#words, 1 + slot, from, to) === from;
  }
}
