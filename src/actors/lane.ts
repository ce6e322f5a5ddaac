/**
 * A lane as the supervisor sees it: one chunk at a time, from its post to its end. It keeps the text of the chunk and
 * looks into it only where it needs one task.
 */
import type { Outcome } from '../runtime/lifecycle.js';
import { idOf, SEPARATOR } from '../runtime/message.js';
import type { Chunk } from '../runtime/storage.js';
import { LaneMemory, Slot } from './lane-memory.js';

/** Why the supervisor ended a run. */
export type StopReason = 'timeout' | 'canceled' | 'stopping';

export class Lane {
  readonly number: number;
  readonly memory = new LaneMemory();
  #chunk: Chunk | undefined;
  #messages: string[] | undefined;
  /** Records up to here were handed on. */
  #collected = 0;
  postedAt = 0;
  /** The task that was seen running at the last look, and since when. */
  runningSlot = -1;
  runningSince = 0;
  /** Tasks of this chunk that were stopped. */
  readonly stops = new Map<number, StopReason>();

  constructor(number: number) {
    this.number = number;
  }

  get busy(): boolean {
    return this.#chunk !== undefined;
  }

  get count(): number {
    return this.#chunk?.count ?? 0;
  }

  load(chunk: Chunk, now: number): void {
    this.memory.offer(chunk.count);
    this.#chunk = chunk;
    this.#messages = undefined;
    this.#collected = 0;
    this.postedAt = now;
    this.runningSlot = -1;
    this.stops.clear();
  }

  unload(): void {
    this.#chunk = undefined;
    this.#messages = undefined;
  }

  /** The text of one task. */
  message(slot: number): string {
    this.#messages ??= this.#chunk?.text.split(SEPARATOR) ?? [];
    return this.#messages[slot] ?? '';
  }

  /** The texts of these ids. */
  messagesOf(ids: ReadonlySet<string>): string[] {
    const texts: string[] = [];
    for (let slot = 0; slot < this.count; slot++) if (ids.has(idOf(this.message(slot)))) texts.push(this.message(slot));
    return texts;
  }

  /** Records that are ready and were not handed on, as bytes; undefined where there are none. */
  collect(): Uint8Array | undefined {
    const used = this.memory.used;
    if (!this.busy || used === this.#collected) return undefined;
    const bytes = this.memory.records(this.#collected, used);
    this.#collected = used;
    return bytes;
  }

  /** Takes back whatever has not started; gives the texts. */
  takeBack(): string[] {
    const texts: string[] = [];
    for (let slot = 0; slot < this.count; slot++) if (this.memory.takeBack(slot)) texts.push(this.message(slot));
    return texts;
  }

  /** The slot that runs now, or -1. */
  findRunning(): number {
    for (let slot = 0; slot < this.count; slot++) {
      const state = this.memory.state(slot);
      if (state === Slot.RUNNING || state === Slot.STOPPING) return slot;
      if (state === Slot.OFFERED) return -1;
    }
    return -1;
  }

  /** Slots in one of these states; for the accounts after a death. */
  slotsIn(...states: number[]): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.count; slot++) if (states.includes(this.memory.state(slot))) slots.push(slot);
    return slots;
  }
}

/** A run that the supervisor stopped ends as that, whatever it returned or threw. */
export function stoppedOutcome(lane: Lane, slot: number): Outcome | undefined {
  const reason = lane.stops.get(slot);
  switch (reason) {
    case undefined:
      return undefined;
    case 'timeout':
      return { kind: 'timeout', error: { name: 'TaskTimeout', message: 'the task ran over its timeout', code: 'timeout' } };
    case 'canceled':
      return { kind: 'cancel', retry: false, reason: 'it was canceled' };
    case 'stopping':
      return { kind: 'interrupted' };
  }
}
