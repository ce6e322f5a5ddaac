/**
 * What chords have collected. A chord is open until every member has contributed, then fired (its callback was made
 * ready) until the callback has ended; what is left then is a tombstone, so that a member that is retried later
 * neither fires again nor opens a new count.
 */
import { DAY_MS } from '../limits.js';
import type { CheckedChord, CheckedItem } from './checks.js';
import { ExpiringMap } from './memory-expiring.js';

/** A chord that nobody finishes is forgotten after this. */
const CHORD_TTL_MS = 30 * DAY_MS;
const TOMBSTONE_TTL_MS = DAY_MS;

interface Chord {
  state: 'open' | 'fired' | 'ended';
  size: number;
  callback: CheckedItem | undefined;
  values: Map<number, string>;
}

export class MemoryChords {
  readonly #chords = new ExpiringMap<Chord>();

  /** One that is known, and be it as a tombstone, is left as it is. */
  add({ id, size, callback }: CheckedChord, now: number): void {
    if (this.#chords.get(id, now) !== undefined) return;
    this.#chords.set(id, { state: 'open', size, callback, values: new Map() }, now + CHORD_TTL_MS, now);
  }

  /** Gives the callback where this was the last contribution. */
  contribute({ id, index, value }: { id: string; index: number; value: string }, now: number): CheckedItem | undefined {
    const chord = this.#chords.get(id, now);
    if (chord === undefined || chord.state !== 'open' || index >= chord.size || chord.values.has(index)) return undefined;
    chord.values.set(index, value);
    if (chord.values.size < chord.size) return undefined;
    const { callback } = chord;
    chord.state = 'fired';
    chord.callback = undefined;
    // The callback may wait long for its turn, and needs the list then.
    this.#chords.set(id, chord, now + CHORD_TTL_MS, now);
    return callback;
  }

  read(id: string, now: number): (string | undefined)[] {
    const chord = this.#chords.get(id, now);
    return Array.from({ length: chord?.size ?? 0 }, (_, index) => chord?.values.get(index));
  }

  end(id: string, now: number): void {
    const tombstone: Chord = { state: 'ended', size: 0, callback: undefined, values: new Map() };
    this.#chords.set(id, tombstone, now + TOMBSTONE_TTL_MS, now);
  }

  clear(): void {
    this.#chords.clear();
  }
}
