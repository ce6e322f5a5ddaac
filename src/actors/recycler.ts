/**
 * Which thread is replaced, and why: after so many tasks, at such an age, or with so much in its heap. One at a time, so that
 * the others go on; and it works until its replacement has loaded the module (crew.ts).
 */
import { SECOND_MS } from '../runtime/limits.js';
import type { Place } from './place.js';

export interface RecycleLimits {
  /** About so many tasks. */
  maxTasks: number | undefined;
  maxAgeMs: number | undefined;
  /** In the heap behind a task. */
  maxHeapMib: number | undefined;
}

const MIB = 1024 * 1024;
/** How often ages are looked at, at most. */
const LOOK_MS = SECOND_MS;

export class Recycler {
  readonly #limits: RecycleLimits;
  readonly #due = new Map<Place, string>();
  #leaving: { place: Place; reason: string } | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  /** `look` is called from time to time, where ages matter: an idle thread grows old too. */
  constructor(limits: RecycleLimits, look: () => void) {
    this.#limits = limits;
    const { maxAgeMs } = limits;
    if (maxAgeMs !== undefined) this.#timer = setInterval(look, Math.min(LOOK_MS, maxAgeMs)).unref();
  }

  /** The one whose turn it is, until it is gone. */
  get leaving(): { place: Place; reason: string } | undefined {
    return this.#leaving;
  }

  /** Looks at a thread that works; at the end of a chunk, or for its age. */
  look(place: Place, now: number): void {
    if (place.retired || this.#due.has(place) || this.#leaving?.place === place) return;
    const reason = this.#reasonFor(place, now);
    if (reason !== undefined) this.#due.set(place, reason);
    if (this.#leaving === undefined) this.#next();
  }

  gone(place: Place): void {
    this.#due.delete(place);
    if (this.#leaving?.place !== place) return;
    this.#leaving = undefined;
    this.#next();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #next(): void {
    for (const [place, reason] of this.#due) {
      this.#due.delete(place);
      // Of the code before a reload, or ended otherwise: it leaves anyway.
      if (place.retired) continue;
      this.#leaving = { place, reason };
      return;
    }
  }

  #reasonFor({ served, readyAt, heapBytes }: Place, now: number): string | undefined {
    const { maxTasks, maxAgeMs, maxHeapMib } = this.#limits;
    if (maxTasks !== undefined && served >= maxTasks) return `it has run ${served} tasks (--max-tasks ${maxTasks})`;
    if (maxHeapMib !== undefined && heapBytes > maxHeapMib * MIB) {
      return `its heap holds ${Math.round(heapBytes / MIB)} MiB (--max-heap ${maxHeapMib})`;
    }
    if (maxAgeMs !== undefined && now - readyAt >= maxAgeMs) {
      return `it is ${Math.round((now - readyAt) / SECOND_MS)} s old (--max-age ${maxAgeMs / SECOND_MS})`;
    }
    return undefined;
  }
}
