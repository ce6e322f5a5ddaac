/**
 * Looks at what runs, every TICK_MS while anything does. Duties:
 *  1. results that are ready are handed on, though a slow task still holds their chunk;
 *  2. what waits where nothing moves is taken back, at once for a place that has room, or where an exclusive task runs,
 *     else after HOLD_MS; with several seats so is what has waited for as long, though others begin and end;
 *  3. a run over its timeout is stopped: its signal first, after the grace its thread; in between the thread is asked where it is. What runs beside it in the thread
 *     is stopped with it then, and given back: it did nothing.
 */
import { TIMEOUT_GRACE_MS } from '../runtime/limits.js';
import { decodeHead } from '../runtime/message.js';
import { Slot } from './lane-memory.js';
import type { Lane, SeenRun, StopReason } from './lane.js';
import type { Place } from './place.js';

export const TICK_MS = 5;
/** Longer than this nothing waits behind a task that runs. */
export const HOLD_MS = 100;
/** A thread that has not answered a soft stop for so long is asked where it is; earlier, where the grace is short. */
const LOCATE_AFTER_MS = 50;

export interface WatchdogDuties {
  places(): Iterable<Place>;
  /** Another place has room and the storage has nothing for it. */
  starving(place: Place): boolean;
  collected(lane: Lane, bytes: Uint8Array): void;
  tookBack(texts: string[]): void;
  /** Grace of a task in ms, by name; undefined: the default. */
  graceMs(task: string): number | undefined;
  /** Whether a task, by name, has its thread for itself. */
  exclusive(task: string): boolean;
}

export class Watchdog {
  readonly #duties: WatchdogDuties;
  #timer: NodeJS.Timeout | undefined;

  constructor(duties: WatchdogDuties) {
    this.#duties = duties;
  }

  /** Called whenever work was posted; stops by itself when nothing runs. */
  wake(): void {
    this.#timer ??= setInterval(() => this.#tick(performance.now()), TICK_MS);
  }

  sleep(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(now: number): void {
    let busy = false;
    for (const place of this.#duties.places()) {
      if (place.idle) continue;
      busy = true;
      this.#look(place, now);
    }
    if (!busy) this.sleep();
  }

  #look(place: Place, now: number): void {
    let moved = false;
    let running = 0;
    let exclusive = false;
    for (const lane of place.lanes) {
      if (!lane.busy || now - lane.postedAt < TICK_MS) continue;
      const bytes = lane.collect();
      if (bytes) this.#duties.collected(lane, bytes);
      if (lane.look(now)) moved = true;
      running += lane.runs.size;
      for (const [slot, run] of lane.runs) {
        exclusive ||= this.#duties.exclusive(run.name);
        this.#watch(place, lane, slot, run, now);
      }
    }
    if (moved) {
      place.movedAt = now;
      place.blocked = exclusive || (place.blocked && this.#waitingExclusive(place) !== undefined);
    }
    const stands = !moved && (exclusive || now - place.movedAt >= HOLD_MS || this.#duties.starving(place));
    if (running > 0 && (stands || hasWaited(place, now))) {
      const kept = exclusive ? undefined : this.#waitingExclusive(place);
      const took = this.#takeBack(place, kept);
      if (kept !== undefined || (took && place.seats > 1)) place.blocked = true;
    }
  }

  #watch(place: Place, lane: Lane, slot: number, run: SeenRun, now: number): void {
    if (run.locateAt !== undefined && now >= run.locateAt && run.killAt !== Infinity) {
      delete run.locateAt;
      if (!lane.wheres.has(slot) && lane.memory.stopping(slot)) place.locate(lane, slot);
    }
    if (run.killAt !== undefined) {
      if (now < run.killAt) return;
      run.killAt = Infinity;
      this.#kill(place, lane, slot);
      return;
    }
    if (run.timeoutMs > 0 && now - run.since >= run.timeoutMs) this.stop(place, lane, slot, 'timeout', now);
  }

  /** The soft stop of a run, and after its grace the hard one. False where it has ended. */
  stop(place: Place, lane: Lane, slot: number, reason: StopReason, now: number): boolean {
    if (!lane.memory.stop(slot, reason === 'canceled')) return false;
    lane.stops.set(slot, reason);
    place.abort(lane, slot, reason);
    lane.look(now);
    const run = lane.runs.get(slot);
    if (run) {
      const graceMs = this.#duties.graceMs(run.name) ?? TIMEOUT_GRACE_MS;
      run.killAt = now + graceMs;
      if (reason === 'timeout') run.locateAt = now + Math.min(LOCATE_AFTER_MS, graceMs / 4);
    }
    return true;
  }

  /** True where there was something. */
  #takeBack(place: Place, kept?: { lane: Lane; slot: number }): boolean {
    let took = false;
    for (const lane of place.lanes) {
      const texts = lane.takeBack(lane === kept?.lane ? kept.slot : -1);
      if (texts.length === 0) continue;
      took = true;
      this.#duties.tookBack(texts);
    }
    return took;
  }

  /**
   * What is next in the thread and waits for what runs to end, since it is exclusive. It keeps its turn, or it might wait
   * for ever: here nothing else starts before it. But not where another place has nothing to do at all.
   */
  #waitingExclusive(place: Place): { lane: Lane; slot: number } | undefined {
    if (place.seats === 1) return undefined;
    for (const other of this.#duties.places()) if (other.ready && other.idle && !other.alone) return undefined;
    let next: { lane: Lane; slot: number } | undefined;
    for (const lane of place.lanes) {
      const slot = lane.busy ? lane.firstOffered() : -1;
      if (slot >= 0 && (next === undefined || lane.postedAt < next.lane.postedAt)) next = { lane, slot };
    }
    return next !== undefined && this.#duties.exclusive(nameOf(next.lane.message(next.slot))) ? next : undefined;
  }

  /** Everything else is taken back first, so that no innocent next task is hit; then the run must still be the stopped one. */
  #kill(place: Place, lane: Lane, slot: number): void {
    this.#takeBack(place);
    if (!lane.memory.stopping(slot)) return;
    for (const one of place.lanes) {
      for (const other of one.slotsIn(Slot.RUNNING)) if (one.memory.stop(other)) one.stops.set(other, 'stopping');
    }
    place.kill();
  }
}

/** Tasks that calculate run one after the other, however many seats there are: then what is last would wait for all of them. */
function hasWaited({ seats, lanes }: Place, now: number): boolean {
  return seats > 1 && lanes.some((lane) => lane.busy && now - lane.postedAt >= HOLD_MS && lane.firstOffered() >= 0);
}

/** It has been busy with one task for so long that nothing may wait behind it. */
export function isStuck({ seats, lanes, blocked, movedAt }: Place, now: number): boolean {
  if (blocked || seats > 1) return blocked;
  return lanes.some((lane) => lane.busy && lane.runs.size > 0) && now - movedAt >= HOLD_MS;
}

function nameOf(text: string): string {
  try {
    return decodeHead(text).name;
  } catch {
    return '';
  }
}
