/**
 * Where a suspect runs: alone in its thread, one in a consumer at a time. The death of a process is charged to a suspect that
 * was in flight, as if it had run alone, so it is in flight only while it does:
 *  1. one that comes while a place is idle starts there at once, before what came along with it;
 *  2. one that comes while none is goes back at once, uncharged, and a place is kept free from then on;
 *  3. as soon as the kept place is idle one is asked for again; where none comes, others have it, and the place is free.
 */
import type { Place } from './place.js';
import { isStuck } from './watchdog.js';

export class Suspects {
  /** It gets nothing until a suspect has come for it, or none has. */
  #kept: Place | undefined;

  /** A place stands empty for one. */
  get expected(): boolean {
    return this.#kept?.idle === true;
  }

  /** Whether a call may bring one along. */
  mayCome(places: Iterable<Place>, underWay: Iterable<{ solo: boolean }>): boolean {
    for (const { solo } of underWay) if (solo) return false;
    if (this.#kept !== undefined) return this.#kept.idle;
    for (const { alone } of places) if (alone) return false;
    return true;
  }

  /** A call that may have brought one has. Gives the place where it starts, now; undefined: it goes back. */
  came(places: Iterable<Place>): Place | undefined {
    const ready = [...places].filter((place) => place.ready);
    const kept = this.#kept?.ready === true ? this.#kept : undefined;
    this.noneCame();
    const idle = kept?.idle === true ? kept : ready.find((place) => place.idle);
    const place = idle ?? kept ?? ready.find((one) => !isStuck(one, performance.now())) ?? ready[0];
    if (place !== undefined) place.alone = true;
    if (idle === undefined) this.#kept = place;
    return idle;
  }

  noneCame(): void {
    if (this.#kept !== undefined) this.#kept.alone = false;
    this.#kept = undefined;
  }

  /** Nothing is left in this place. */
  emptied(place: Place): void {
    if (place !== this.#kept) place.alone = false;
  }

  /** Its thread is gone. */
  forget(place: Place): void {
    if (place === this.#kept) this.noneCame();
  }
}
