/**
 * A lane as the supervisor sees it: one chunk at a time, from its post to its end. It keeps the text of the chunk and
 * looks into it only where it needs one task.
 */
import { droppedOutcome } from '../runtime/dropped.js';
import type { ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import { decodeHead, idOf, SEPARATOR } from '../runtime/message.js';
import type { Chunk } from '../runtime/storage.js';
import { ARENA_BYTES, LaneMemory, Slot } from './lane-memory.js';

/** Why the supervisor ended a run. */
export type StopReason = 'timeout' | 'canceled' | 'stopping';

/** A run as it was seen by somebody who looks from time to time. */
export interface SeenRun {
  /** When it was seen first. */
  since: number;
  name: string;
  /** 0 = none. */
  timeoutMs: number;
  /** Where it was stopped: when its thread is ended. */
  killAt: number | undefined;
  /** When the thread is asked where it is, unless it has answered by then. */
  locateAt?: number;
}

export class Lane {
  readonly number: number;
  readonly memory: LaneMemory;
  #chunk: Chunk | undefined;
  #messages: string[] | undefined;
  #tookBack = 0;
  /** Records up to here were handed on. */
  #collected = 0;
  #isWhole = false;
  postedAt = 0;
  /** What was seen running at the last look, by slot. */
  readonly runs = new Map<number, SeenRun>();
  /** It holds one run of this task, which has a limit of its own; undefined: anything else. */
  limited: string | undefined;
  /** Tasks of this chunk that were stopped. */
  readonly stops = new Map<number, StopReason>();
  /** Where they were then, as lines of a stack, as far as that is known. */
  readonly wheres = new Map<number, string>();

  constructor(number: number, arenaBytes = ARENA_BYTES) {
    this.number = number;
    this.memory = new LaneMemory(LaneMemory.allocate(arenaBytes));
  }

  get busy(): boolean {
    return this.#chunk !== undefined;
  }

  get count(): number {
    return this.#chunk?.count ?? 0;
  }

  /** Tasks of the chunk that were not taken back. */
  get kept(): number {
    return this.count - this.#tookBack;
  }

  load(chunk: Chunk, now: number): void {
    this.memory.offer(chunk.count);
    this.#chunk = chunk;
    this.#messages = undefined;
    this.#collected = 0;
    this.#tookBack = 0;
    this.#isWhole = false;
    this.postedAt = now;
    this.runs.clear();
    this.limited = undefined;
    this.stops.clear();
    this.wheres.clear();
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

  /** The slot of this id, or -1. */
  find(id: string): number {
    // Most chunks do not have it, and need not be taken apart.
    if (this.#chunk?.text.includes(`${id} `) !== true) return -1;
    for (let slot = 0; slot < this.count; slot++) if (idOf(this.message(slot)) === id) return slot;
    return -1;
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
    this.#isWhole = this.#collected === 0 && this.memory.allDone(this.count);
    this.#collected = used;
    return bytes;
  }

  /** The receipt of the chunk, where the last `collect` gave the ends of all its tasks. */
  get receipt(): string | undefined {
    return this.#isWhole ? this.#chunk?.receipt : undefined;
  }

  /** Takes back whatever has not started, but for one slot that is kept; gives the texts. */
  takeBack(kept = -1): string[] {
    const texts: string[] = [];
    for (let slot = 0; slot < this.count; slot++) if (slot !== kept && this.memory.takeBack(slot)) texts.push(this.message(slot));
    this.#tookBack += texts.length;
    return texts;
  }

  /** Brings `runs` up to date; true where something began or ended since the last look. */
  look(now: number): boolean {
    let moved = false;
    let seen = 0;
    for (let slot = 0; slot < this.count; slot++) {
      const state = this.memory.state(slot);
      // The thread goes from the first to the last.
      if (state === Slot.OFFERED) break;
      if (state !== Slot.RUNNING && state !== Slot.STOPPING) continue;
      seen += 1;
      if (this.runs.has(slot)) continue;
      this.runs.set(slot, { since: now, ...this.#limitsOf(slot), killAt: undefined });
      moved = true;
    }
    if (seen === this.runs.size) return moved;
    for (const slot of this.runs.keys()) {
      const state = this.memory.state(slot);
      if (state !== Slot.RUNNING && state !== Slot.STOPPING) this.runs.delete(slot);
    }
    return true;
  }

  /** The first slot that has not started, or -1. */
  firstOffered(): number {
    for (let slot = 0; slot < this.count; slot++) if (this.memory.state(slot) === Slot.OFFERED) return slot;
    return -1;
  }

  /** Tasks that run, or wait for it. */
  outstanding(): number {
    let sum = 0;
    for (let slot = 0; slot < this.count; slot++) {
      const state = this.memory.state(slot);
      if (state === Slot.OFFERED || state === Slot.RUNNING || state === Slot.STOPPING) sum += 1;
    }
    return sum;
  }

  /** Slots in one of these states; for the accounts after a death. */
  slotsIn(...states: number[]): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.count; slot++) if (states.includes(this.memory.state(slot))) slots.push(slot);
    return slots;
  }

  #limitsOf(slot: number): { name: string; timeoutMs: number } {
    try {
      const { name, timeoutMs } = decodeHead(this.message(slot));
      return { name, timeoutMs };
    } catch {
      // Bytes that are no message are no task either: they end at once.
      return { name: '', timeoutMs: 0 };
    }
  }
}

/** A run that the supervisor stopped ends as that, whatever it returned or threw: `own`, where it came to its end. */
export function stoppedOutcome(lane: Lane, slot: number, own?: Outcome): Outcome | undefined {
  const reason = lane.stops.get(slot);
  switch (reason) {
    case undefined:
      return undefined;
    case 'timeout':
      return { kind: 'timeout', error: timeoutError(lane, slot, own) };
    case 'canceled':
      return droppedOutcome('canceled');
    case 'stopping':
      return { kind: 'interrupted' };
  }
}

/** Its stack says where the run was: as it threw that itself, or as its thread was seen when it did not react. */
function timeoutError(lane: Lane, slot: number, own: Outcome | undefined): ErrorInfo {
  const error: ErrorInfo = { name: 'TaskTimeout', message: 'the task ran over its timeout', code: 'timeout' };
  const where = lane.wheres.get(slot);
  if (own?.kind === 'error' && own.error.stack !== undefined) error.stack = own.error.stack;
  else if (where !== undefined) error.stack = `${error.name}: ${error.message}\n${where}`;
  return error;
}
