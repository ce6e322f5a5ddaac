/**
 * Looks at what runs, every TICK_MS while anything does. Duties:
 *  1. results that are ready are handed on, though a slow task still holds their chunk;
 *  2. what waits behind a slow task is taken back, at once for a place that has nothing to do, else after HOLD_MS;
 *  3. a run over its timeout is stopped: its signal first, after the grace its thread.
 */
import { TIMEOUT_GRACE_MS } from '../runtime/limits.js';
import { decodeHead } from '../runtime/message.js';
import type { Lane } from './lane.js';
import type { Place } from './place.js';

export const TICK_MS = 5;
/** Longer than this nothing waits behind a task that runs. */
const HOLD_MS = 50;

export interface WatchdogDuties {
  places(): Iterable<Place>;
  /** A place has nothing to do and the storage has nothing for it. */
  starving(): boolean;
  collected(lane: Lane, bytes: Uint8Array): void;
  tookBack(texts: string[]): void;
  /** Grace of a task in ms, by name; undefined: the default. */
  graceMs(task: string): number | undefined;
}

export class Watchdog {
  readonly #duties: WatchdogDuties;
  #timer: NodeJS.Timeout | undefined;
  /** When the thread of a stopped run is ended. */
  readonly #killAt = new Map<Place, number>();

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
    this.#killAt.clear();
  }

  forget(place: Place): void {
    this.#killAt.delete(place);
  }

  #tick(now: number): void {
    let busy = false;
    for (const place of this.#duties.places()) {
      if (place.idle) continue;
      busy = true;
      for (const lane of place.lanes) if (lane.busy && now - lane.postedAt >= TICK_MS) this.#look(place, lane, now);
      const killAt = this.#killAt.get(place);
      if (killAt !== undefined && now >= killAt) this.#kill(place);
    }
    if (!busy) this.sleep();
  }

  #look(place: Place, lane: Lane, now: number): void {
    const bytes = lane.collect();
    if (bytes) this.#duties.collected(lane, bytes);
    const slot = lane.findRunning();
    if (slot < 0 || slot !== lane.runningSlot) {
      lane.runningSlot = slot;
      lane.runningSince = now;
      return;
    }
    const ranMs = now - lane.runningSince;
    if (ranMs >= HOLD_MS || this.#duties.starving()) this.#takeBack(place);
    if (lane.stops.has(slot)) return;
    const { timeoutMs, name } = this.#head(lane, slot);
    if (timeoutMs === 0 || ranMs < timeoutMs || !lane.memory.stop(slot)) return;
    lane.stops.set(slot, 'timeout');
    place.abort(lane, slot, 'timeout');
    this.#killAt.set(place, now + (this.#duties.graceMs(name) ?? TIMEOUT_GRACE_MS));
  }

  #takeBack(place: Place): void {
    for (const lane of place.lanes) {
      const texts = lane.takeBack();
      if (texts.length > 0) this.#duties.tookBack(texts);
    }
  }

  /** Everything else is taken back first, so that no innocent next task is hit; then the run must still be the stopped one. */
  #kill(place: Place): void {
    this.#killAt.delete(place);
    this.#takeBack(place);
    const stopped = place.lanes.some((lane) => [...lane.stops.keys()].some((slot) => lane.memory.stopping(slot)));
    if (stopped) place.kill();
  }

  #head(lane: Lane, slot: number): { timeoutMs: number; name: string } {
    try {
      return decodeHead(lane.message(slot));
    } catch {
      return { timeoutMs: 0, name: '' };
    }
  }
}

/** It has been busy with one task for so long that nothing may wait behind it. */
export function isStuck({ lanes }: Place, now: number): boolean {
  return lanes.some((lane) => lane.busy && lane.runningSlot >= 0 && now - lane.runningSince >= HOLD_MS);
}
