/**
 * Keyed messages in memory: who has a slot of a key, who waits for one.
 *
 *  - A slot belongs to an id in flight. It is taken when a message is leased, and is free as soon as the id is in flight no
 *    more, whatever took it out.
 *  - Whoever finds no free slot when it is leased is parked: not looked at again until it is freed.
 *  - Each slot that becomes free frees the next one of the key: it goes to the head of where it can be leased, and keeps its
 *    turn until it has a slot, so that one that is overtaken is parked where it stood.
 *  - So while one of a key is parked, another of this key is in flight, or was freed and can be leased.
 */
import { idOf, type Head } from '../message.js';
import { Line } from './memory-line.js';
import type { MemoryPlaces } from './memory-places.js';
import { headOf } from './memory-rules.js';

interface Key {
  taken: number;
  /** Of whoever came last. */
  limit: number;
  readonly parked: Line;
}

/** Turns of one priority. */
const TURNS = 2 ** 40;

export class MemorySlots {
  readonly #places: MemoryPlaces;
  /** False: every message is leased as if it had no key. */
  readonly #counts: boolean;
  readonly #keys = new Map<string, Key>();
  /** id in flight -> the key of its slot. */
  readonly #holders = new Map<string, string>();
  /** id -> message. */
  readonly #parked = new Map<string, string>();
  /** id -> turn, of those that were parked and have not been leased since. */
  readonly #turns = new Map<string, number>();
  #lastTurn = 0;
  #freed: string[] = [];

  constructor(places: MemoryPlaces, counts: boolean) {
    this.#places = places;
    this.#counts = counts;
  }

  get parked(): number {
    return this.#parked.size;
  }

  /** True where it may run; otherwise it is parked. */
  take(text: string, { id, slot, priority }: Head): boolean {
    if (slot === undefined || !this.#counts) return true;
    const turn = this.#turns.get(id);
    const key = this.#keys.get(slot.key) ?? { taken: 0, limit: slot.limit, parked: new Line() };
    this.#keys.set(slot.key, key);
    if (turn === undefined) key.limit = slot.limit;
    this.#turns.delete(id);
    if (key.taken < key.limit) {
      if (!this.#holders.has(id)) key.taken += 1;
      this.#holders.set(id, slot.key);
      return true;
    }
    const double = this.#parked.get(id);
    if (double !== undefined) this.remove(double);
    key.parked.add(text, turn ?? ++this.#lastTurn - priority * TURNS, 'tail');
    this.#parked.set(id, text);
    return false;
  }

  /** It was in flight and is no more. */
  leave(id: string): void {
    const name = this.#holders.get(id);
    const key = name === undefined ? undefined : this.#keys.get(name);
    if (name === undefined || key === undefined) return;
    this.#holders.delete(id);
    key.taken -= 1;
    this.#freeNext(name, key);
  }

  /** It could be leased and will not run: where it was freed to do so, the next one is. */
  giveUp({ id, slot }: Head): void {
    const key = slot === undefined ? undefined : this.#keys.get(slot.key);
    if (this.#turns.delete(id) && slot !== undefined && key !== undefined) this.#freeNext(slot.key, key);
  }

  /** To the head, in the order in which they were freed. */
  placeFreed(): void {
    this.#places.giveBack(this.#freed);
    this.#freed = [];
  }

  find(id: string): string | undefined {
    return this.#parked.get(id);
  }

  /** Takes exactly this message out of those that are parked. */
  remove(text: string): boolean {
    const id = idOf(text);
    const slot = headOf(text)?.slot;
    if (slot === undefined || this.#parked.get(id) !== text) return false;
    this.#parked.delete(id);
    return this.#keys.get(slot.key)?.parked.remove(text) === true;
  }

  /** In the order of each key. */
  list(limit: number): { text: string }[] {
    return [...this.#keys.values()].flatMap(({ parked }) => parked.peek(limit).map(({ text }) => ({ text }))).slice(0, limit);
  }

  /** Forgets who waits; who is in flight keeps its slot. */
  clear(): void {
    this.#parked.clear();
    this.#turns.clear();
    for (const [name, key] of this.#keys) {
      if (key.taken === 0) this.#keys.delete(name);
      else key.parked.clear();
    }
  }

  #freeNext(name: string, key: Key): void {
    if (key.taken >= key.limit) return;
    const next = key.parked.shift();
    if (next === undefined) {
      if (key.taken === 0) this.#keys.delete(name);
      return;
    }
    const id = idOf(next.text);
    this.#parked.delete(id);
    this.#turns.set(id, next.rank);
    this.#freed.push(next.text);
  }
}
