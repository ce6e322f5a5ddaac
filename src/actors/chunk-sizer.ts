/**
 * How many tasks go into a chunk, learnt from how long chunks take. Doubled while they take under FAST_MS; halved at the
 * second slow one in a row, so that one odd task among many quick ones changes nothing. Long tasks travel one by one, and
 * none waits behind them.
 */
import { CHUNK_MAX, CHUNK_MIN, CHUNK_START } from '../runtime/limits.js';

/** How tasks travel now. */
export interface Pace {
  /** Tasks in a chunk at most. */
  readonly size: number;
  /** How many chunks may wait behind what runs in a place. */
  readonly ahead: number;
  /** Whether any of the tasks was seen to end. */
  readonly known: boolean;
}

const FAST_MS = 4;
const SLOW_MS = 16;
/** Large messages travel in small chunks, so that what a consumer holds stays bounded in bytes too. */
const CHUNK_CHARS = 512 * 1024;
/** What may wait in a place beyond what runs. */
const AHEAD_MS = 20;
/** The same, where so much is left that nobody else goes without: one task, so that a core does not wait for the storage. */
const BACKLOG_AHEAD_MS = 100;
/** As long as nothing is known of the tasks. */
const AHEAD_START = 1;

export class ChunkSizer {
  #size = CHUNK_START;
  #slowInARow = 0;
  #taskMs: number | undefined;
  /** How many messages of the size seen last fit into a chunk. */
  #fitting = CHUNK_MAX;

  get size(): number {
    return Math.min(this.#size, this.#fitting);
  }

  /** `isBacklog`: so much is left that every consumer has enough of it. */
  pace(isBacklog: boolean): Pace {
    if (this.#taskMs === undefined) return { size: this.size, ahead: AHEAD_START, known: false };
    const chunkMs = this.size * this.#taskMs;
    const least = isBacklog && chunkMs <= BACKLOG_AHEAD_MS ? 1 : 0;
    return { size: this.size, ahead: Math.max(least, Math.floor(AHEAD_MS / chunkMs)), known: true };
  }

  noteLength(chars: number, count: number): void {
    this.#fitting = Math.max(CHUNK_MIN, Math.floor((CHUNK_CHARS * count) / Math.max(1, chars)));
  }

  note(durationMs: number, count: number): void {
    if (count === 0) return;
    if (durationMs > SLOW_MS) {
      this.#slowInARow += 1;
      if (this.#slowInARow < 2) return;
      this.#size = Math.max(CHUNK_MIN, Math.min(this.#size, count) >> 1);
    } else {
      this.#slowInARow = 0;
      // A chunk that was not full says nothing about larger ones.
      if (durationMs < FAST_MS && count >= this.#size) this.#size = Math.min(CHUNK_MAX, this.#size * 2);
    }
    this.#taskMs = durationMs / count;
  }
}
