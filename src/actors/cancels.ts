/**
 * Cancels what this consumer holds, by id. Duties:
 *  1. end what has not started, wherever it waits: in a lane, or beside them;
 *  2. stop what runs: softly first, after its grace with its thread (watchdog.ts);
 *  3. look again for what is not here yet when the reply has come that may bring it: a push can be faster than a reply.
 * What was missed all the same, a heartbeat names again. A cancel that comes twice does nothing more.
 */
import type { Lane } from './lane.js';
import { Slot } from './lane-memory.js';
import type { Place } from './place.js';
import type { StepWork } from './step-calls.js';

/** Every consumer is told of what any of them runs; so many are remembered while calls are under way. */
const EARLY_MAX = 10_000;

export interface CancelDuties {
  places(): Iterable<Place>;
  /** Takes one out of where it waits beside the lanes; undefined where it does not. */
  draw(id: string): string | undefined;
  /** Stops a run; false where it has ended, or was stopped before. */
  stop(place: Place, lane: Lane, slot: number): boolean;
  /** It has not started, and is nowhere any more. */
  canceled(text: string): void;
}

export class Cancels {
  readonly #duties: CancelDuties;
  /** id -> calls under way that may bring it. */
  readonly #early = new Map<string, Set<StepWork>>();

  constructor(duties: CancelDuties) {
    this.#duties = duties;
  }

  /** `underWay`: calls that have no answer yet. */
  cancel(ids: readonly string[], underWay: Iterable<StepWork>): void {
    const leasing = [...underWay].filter(({ chunks }) => chunks > 0);
    for (const id of ids) {
      if (this.#cancelOne(id) || leasing.length === 0 || this.#early.size >= EARLY_MAX) continue;
      this.#early.set(id, new Set(leasing));
    }
  }

  /** A call has its answer, and what it brought has its place. */
  callEnded(work: StepWork): void {
    for (const [id, calls] of this.#early) {
      if (!calls.delete(work)) continue;
      if (this.#cancelOne(id) || calls.size === 0) this.#early.delete(id);
    }
  }

  /** True where it was here. */
  #cancelOne(id: string): boolean {
    const drawn = this.#duties.draw(id);
    if (drawn !== undefined) {
      this.#duties.canceled(drawn);
      return true;
    }
    for (const place of this.#duties.places()) {
      for (const lane of place.lanes) {
        const slot = lane.find(id);
        if (slot >= 0 && this.#cancelSlot(place, lane, slot)) return true;
      }
    }
    return false;
  }

  /** False where it is over in this lane; it may have come back in another. */
  #cancelSlot(place: Place, lane: Lane, slot: number): boolean {
    const { memory } = lane;
    if (memory.takeBack(slot)) {
      this.#duties.canceled(lane.message(slot));
      return true;
    }
    if (this.#duties.stop(place, lane, slot)) return true;
    if (memory.state(slot) !== Slot.STOPPING) return false;
    // It was stopped for its timeout: it does not run again for that.
    lane.stops.set(slot, 'canceled');
    return true;
  }
}
