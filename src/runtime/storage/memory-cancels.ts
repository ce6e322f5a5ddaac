/** Canceling in memory: the mark on one invocation, the search for one that waits, its end. */
import type { CancelState, WaitingMessage } from '../canceling.js';
import type { CheckedTransition } from './checks.js';
import type { MemoryMarks } from './memory-marks.js';
import type { MemoryNews } from './memory-news.js';
import type { MemoryPlaces } from './memory-places.js';
import { headOf } from './memory-rules.js';
import type { MemorySlots } from './memory-slots.js';

interface Rooms {
  now: () => number;
  news: MemoryNews;
  marks: MemoryMarks;
  places: MemoryPlaces;
  slots: MemorySlots;
  hasEnded: (id: string, now: number) => boolean;
  isInFlight: (id: string) => boolean;
  apply: (transition: CheckedTransition, now: number) => void;
}

export class MemoryCancels {
  readonly #rooms: Rooms;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  cancel(id: string): CancelState {
    const { now, news, marks, places } = this.#rooms;
    const state = this.#stateOf(id);
    if (state !== 'ended') marks.cancel(id, now(), places.dueOf(id, now()));
    if (state === 'running') news.canceled.push(id);
    news.tell();
    return state;
  }

  withdraw(id: string): CancelState {
    const state = this.#stateOf(id);
    if (state === 'waiting') this.#rooms.marks.withdrawCancel(id);
    return state;
  }

  find(id: string): WaitingMessage | undefined {
    const text = this.#rooms.places.find(id) ?? this.#rooms.slots.find(id);
    return text === undefined ? undefined : { text, at: 'memory' };
  }

  end({ text }: WaitingMessage, transition: CheckedTransition): boolean {
    const { now, news, places, slots, apply } = this.#rooms;
    if (!places.remove(text) && !slots.remove(text)) return false;
    const head = headOf(text);
    if (head !== undefined) slots.giveUp(head);
    slots.placeFreed();
    apply(transition, now());
    news.tell();
    return true;
  }

  #stateOf(id: string): CancelState {
    const { now, hasEnded, isInFlight } = this.#rooms;
    if (hasEnded(id, now())) return 'ended';
    return isInFlight(id) ? 'running' : 'waiting';
  }
}
