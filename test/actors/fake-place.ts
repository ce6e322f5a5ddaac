/** A place without a thread: a test makes the moves that the thread would make. */
import { Lane, type StopReason } from '../../src/actors/lane.js';
import type { Place } from '../../src/actors/place.js';
import { writeCompletion } from '../../src/runtime/completion.js';
import { idOf } from '../../src/runtime/message.js';
import type { Chunk } from '../../src/runtime/storage.js';

export class FakePlace {
  readonly seats: number;
  readonly lanes: readonly Lane[];
  ready = true;
  alone = false;
  killed = false;
  blocked = false;
  movedAt = 0;
  lastEndAt = 0;
  /** How often it was asked where it is. */
  located = 0;
  readonly aborted: { lane: number; slot: number; reason: StopReason }[] = [];
  onPost: () => void = () => undefined;
  onKill: () => void = () => undefined;

  constructor(seats = 1, lanes = seats + 1) {
    this.seats = seats;
    this.lanes = Array.from({ length: lanes }, (_, i) => new Lane(i));
  }

  get idle(): boolean {
    return this.lanes.every((lane) => !lane.busy);
  }

  /** As those who are tested know it. */
  get place(): Place {
    return this as unknown as Place;
  }

  post(lane: Lane, chunk: Chunk): void {
    lane.load(chunk, performance.now());
    this.onPost();
  }

  locate(): void {
    this.located += 1;
  }

  abort(lane: Lane, slot: number, reason: StopReason): void {
    this.aborted.push({ lane: lane.number, slot, reason });
  }

  kill(): void {
    this.ready = false;
    this.killed = true;
    this.onKill();
  }

  lane(number = 0): Lane {
    const lane = this.lanes[number];
    if (lane === undefined) throw new RangeError(`no lane ${number}`);
    return lane;
  }

  /** Ids of what the lanes hold. */
  ids(): string[] {
    return this.lanes.flatMap((lane) => Array.from({ length: lane.count }, (_, slot) => idOf(lane.message(slot))));
  }

  /** Where a task is. */
  at(id: string): { lane: Lane; slot: number } {
    for (const lane of this.lanes) {
      for (let slot = 0; slot < lane.count; slot++) if (idOf(lane.message(slot)) === id) return { lane, slot };
    }
    throw new RangeError(`${id} is not here`);
  }

  /** The thread starts a task; false where it was taken back. */
  claim(id: string): boolean {
    const { lane, slot } = this.at(id);
    return lane.memory.claim(slot);
  }

  /** The thread completes a task; false where it was stopped. */
  complete(id: string): boolean {
    const { lane, slot } = this.at(id);
    const { memory } = lane;
    if (!memory.publish(slot)) return false;
    memory.done(slot, writeCompletion(memory.arena, memory.used, id, 60, 'd1'));
    return true;
  }
}
