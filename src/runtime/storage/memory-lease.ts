/** Leasing in memory: what a consumer may start of what is ready, and what becomes of the rest. */
import { encodeRecord } from '../completion.js';
import * as limits from '../limits.js';
import type { Head } from '../message.js';
import type * as contract from '../storage.js';
import type { MemoryAliens } from './memory-aliens.js';
import type { MemoryConsumer } from './memory-consumers.js';
import type { MemoryDead } from './memory-dead.js';
import type { MemoryMarks } from './memory-marks.js';
import type { MemoryPlaces } from './memory-places.js';
import * as rules from './memory-rules.js';
import type { MemorySlots } from './memory-slots.js';

/** What one step looks at, where it comes upon many that it can only park. */
const LOOK_MAX = 200;

interface Rooms {
  marks: MemoryMarks;
  places: MemoryPlaces;
  slots: MemorySlots;
  aliens: MemoryAliens;
  dead: MemoryDead;
  settle: (id: string, record: string, ttlSeconds: number, now: number) => void;
}

/** One step that takes. */
export interface Taking {
  consumer: MemoryConsumer;
  now: number;
  handOver: boolean;
  dropped: contract.Dropped[];
}

type Fate = 'leased' | 'parked' | 'dropped';

export class MemoryLease {
  readonly #rooms: Rooms;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  /** One that must run alone. */
  solo(taking: Taking): string | undefined {
    const { places } = this.#rooms;
    for (let text = places.nextSuspect(); text !== undefined; text = places.nextSuspect()) {
      if (this.#lease(text, taking) === 'leased') return text;
    }
    return undefined;
  }

  /** A fair share of what is there. Those behind one that is parked do not wait for the next step. */
  take(taking: Taking, most: number, consumers: number): string[] {
    const { places, slots } = this.#rooms;
    const fairShare = Math.max(1, Math.ceil(places.leasable / consumers));
    const texts: string[] = [];
    let parked = 0;
    for (let left = Math.min(most, fairShare); left > 0; left--) {
      const text = places.next();
      if (text === undefined) break;
      const fate = this.#lease(text, taking);
      if (fate === 'leased') texts.push(text);
      if (fate === 'parked' && ++parked <= LOOK_MAX) left++;
    }
    slots.placeFreed();
    return texts;
  }

  /** What must not start is in flight all the same where its end is the consumer's to settle. */
  #lease(text: string, { consumer, now, handOver, dropped }: Taking): Fate {
    const { marks, slots, settle } = this.#rooms;
    const head = rules.headOf(text);
    if (head === undefined) {
      this.#setAside(text, now, dropped);
      return 'dropped';
    }
    const state = this.#whyNot(head, now);
    const { id, name } = head;
    if (state === undefined) {
      if (!slots.take(text, head)) return 'parked';
      consumer.inFlight.set(id, text);
      return 'leased';
    }
    slots.giveUp(head);
    if (state !== 'dead' && state !== 'canceled' && head.linked !== true && !handOver) {
      settle(id, encodeRecord(state, ''), limits.END_MARKER_TTL_MS / 1000, now);
      dropped.push({ id, name, state });
      return 'dropped';
    }
    consumer.inFlight.set(id, text);
    // Where the consumer dies before it has settled it, the next one must come to the same.
    if (state === 'revoked') marks.set({ id }, { once: true, untilMs: 0 }, now);
    dropped.push({ id, name, state, text });
    return 'dropped';
  }

  #whyNot(head: Head, now: number): contract.Dropped['state'] | undefined {
    if (this.#rooms.marks.isCanceled(head.id, now)) return 'canceled';
    if (this.#rooms.marks.skips(head, now)) return 'revoked';
    if (rules.hasExpired(head, now)) return 'expired';
    return rules.diedTooOften(head) ? 'dead' : undefined;
  }

  #setAside(text: string, now: number, dropped: contract.Dropped[]): void {
    const { aliens, dead, places } = this.#rooms;
    const verdict = aliens.judge(text, now);
    if ('delayMs' in verdict) return places.schedule(text, now + verdict.delayMs);
    dead.add({ ...verdict, text, at: now });
    dropped.push({ id: verdict.id, name: '', state: 'dead' });
  }
}
