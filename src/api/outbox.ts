/**
 * Sends calls to the storage in batches that adapt:
 *  1. The first goes at once, alone. What arrives while it is under way goes together in the next call.
 *  2. Each caller's promise settles by what became of its own items.
 *  3. While the storage cannot be reached the batch is repeated with the same ids, which stores nothing twice.
 *  4. A caller waits at most `waitMs` without the server; then EnqueueFailed tells whether its tasks may be stored.
 *
 * As long as the storage goes on taking batches nobody's time runs: a million calls at once may take longer than that.
 */
import { EnqueueFailed, StorageUnavailable } from '../runtime/errors.js';
import { BATCH_MAX } from '../runtime/limits.js';
import type { ChordPlan, EnqueueItem, EnqueueReply } from '../runtime/storage.js';

/** Calls that wait to be sent, at most. */
export const OUTBOX_MAX = 2_000_000;
/** A second batch starts beside the first only when it is full. */
const FLIGHTS_MAX = 2;
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 500;
const NO_CHORDS: readonly ChordPlan[] = [];
const NO_CONFLICTS: Conflicts = [];

export interface OutboxItem extends EnqueueItem {
  id: string;
}

/** Of one caller's items: those that another invocation kept out, by their unique key. */
export type Conflicts = EnqueueReply['conflicts'];
/** One call of the storage. */
type Enqueue = (items: EnqueueItem[], chords: ChordPlan[]) => Promise<{ conflicts?: Conflicts } | undefined>;

export interface OutboxOptions {
  waitMs: number;
  /** Monotonic, ms. */
  now?: () => number;
  waitingMax?: number;
  /** Why the storage cannot be reached at the moment, for the error. */
  outage?: () => Error | undefined;
}

export class Outbox {
  readonly #enqueue: Enqueue;
  readonly #waitMs: number;
  readonly #waitingMax: number;
  readonly #now: () => number;
  readonly #outage: () => Error | undefined;
  readonly #waiting = new Line<Parcel>();
  readonly #flights = new Set<Flight>();
  #itemsWaiting = 0;
  /** When the storage last took a batch. */
  #progressAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(
    enqueue: Enqueue,
    { waitMs, now = () => performance.now(), waitingMax = OUTBOX_MAX, outage = () => undefined }: OutboxOptions,
  ) {
    this.#enqueue = enqueue;
    this.#waitMs = waitMs;
    this.#now = now;
    this.#outage = outage;
    this.#waitingMax = waitingMax;
  }

  /** @throws EnqueueFailed */
  send(item: OutboxItem): Promise<Conflicts> {
    return this.#post([item], NO_CHORDS);
  }

  /** In order, at most BATCH_MAX in one call. @throws EnqueueFailed with the ids of those that did not get through. */
  async sendMany(items: readonly OutboxItem[]): Promise<Conflicts> {
    if (items.length <= BATCH_MAX) return items.length === 0 ? NO_CONFLICTS : this.#post(items, NO_CHORDS);
    const parts: Promise<Conflicts>[] = [];
    for (let i = 0; i < items.length; i += BATCH_MAX) parts.push(this.#post(items.slice(i, i + BATCH_MAX), NO_CHORDS));
    const outcomes = await Promise.allSettled(parts);
    throwJoined(outcomes);
    return outcomes.flatMap((outcome, part) =>
      outcome.status === 'rejected' ? [] : outcome.value.map(({ index, id }) => ({ index: part * BATCH_MAX + index, id })),
    );
  }

  /** All in one call, however many they are: what belongs to chords. @throws EnqueueFailed */
  sendTogether(items: readonly OutboxItem[], chords: readonly ChordPlan[]): Promise<Conflicts> {
    return this.#post(items, chords);
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #post(items: readonly OutboxItem[], chords: readonly ChordPlan[]): Promise<Conflicts> {
    if (this.#itemsWaiting + items.length > this.#waitingMax) {
      const ids = items.map(({ id }) => id);
      return Promise.reject(
        new EnqueueFailed(`more than ${this.#waitingMax} calls wait to be sent; await some before making more`, ids, false),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, chords, since: this.#now(), settled: false, resolve, reject });
      this.#itemsWaiting += items.length;
      this.#watchTime();
      this.#go();
    });
  }

  #go(): void {
    while (
      this.#waiting.length > 0 &&
      (this.#flights.size === 0 || (this.#flights.size < FLIGHTS_MAX && this.#itemsWaiting >= BATCH_MAX))
    ) {
      const parcels = this.#takeBatch();
      if (parcels.length === 0) continue;
      const flight: Flight = { parcels, outcomeUnknown: false, underWay: false, cause: undefined };
      this.#flights.add(flight);
      // #fly never rejects.
      void this.#fly(flight);
    }
    if (!this.#isIdle()) return;
    this.#timer?.unref();
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** What fits into one call; parcels stay whole, and one that is larger goes alone. */
  #takeBatch(): Parcel[] {
    const parcels: Parcel[] = [];
    let items = 0;
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (items > 0 && items + next.items.length > BATCH_MAX) break;
      this.#waiting.shift();
      if (next.settled) continue;
      items += next.items.length;
      this.#itemsWaiting -= next.items.length;
      next.since = Math.max(next.since, this.#progressAt);
      parcels.push(next);
    }
    return parcels;
  }

  async #fly(flight: Flight): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (flight.parcels.length > 0) {
      if (await this.#attempt(flight)) break;
      await pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      flight.parcels = flight.parcels.filter(({ settled }) => !settled);
    }
    this.#flights.delete(flight);
    this.#go();
  }

  /** False: try again. */
  async #attempt(flight: Flight): Promise<boolean> {
    const { parcels } = flight;
    const [first] = parcels;
    const alone = parcels.length === 1 ? first : undefined;
    const items = alone === undefined ? parcels.flatMap((parcel) => parcel.items) : [...alone.items];
    try {
      flight.underWay = true;
      const reply = await this.#enqueue(
        items,
        parcels.flatMap(({ chords }) => chords),
      );
      this.#progressAt = this.#now();
      deliver(parcels, reply?.conflicts ?? NO_CONFLICTS);
      return true;
    } catch (error) {
      flight.cause = error;
      if (error instanceof StorageUnavailable) {
        flight.outcomeUnknown ||= error.outcomeUnknown;
        return false;
      }
      for (const parcel of flight.parcels) settle(parcel, failure(parcel, flight.outcomeUnknown, error));
      return true;
    } finally {
      flight.underWay = false;
    }
  }

  /** One timer for all; it holds the process only while somebody waits. */
  #watchTime(): void {
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#lookAtTime(), this.#waitMs);
    else this.#timer.ref();
  }

  #lookAtTime(): void {
    this.#timer = undefined;
    const now = this.#now();
    let nextAt = Infinity;
    for (const flight of this.#flights) {
      for (const parcel of flight.parcels) {
        const endsAt = parcel.since + this.#waitMs;
        if (parcel.settled) continue;
        if (endsAt > now) nextAt = Math.min(nextAt, endsAt);
        else settle(parcel, this.#outOfTime(parcel, flight.outcomeUnknown || flight.underWay, flight.cause));
      }
    }
    // The line is in the order of time, so the first one that still has time ends the walk.
    for (let parcel = this.#waiting.first; parcel !== undefined; parcel = this.#waiting.first) {
      const endsAt = Math.max(parcel.since, this.#progressAt) + this.#waitMs;
      if (endsAt > now) {
        nextAt = Math.min(nextAt, endsAt);
        break;
      }
      this.#waiting.shift();
      this.#itemsWaiting -= parcel.items.length;
      settle(parcel, this.#outOfTime(parcel, false, [...this.#flights][0]?.cause));
    }
    if (nextAt !== Infinity) this.#timer = setTimeout(() => this.#lookAtTime(), Math.max(1, Math.ceil(nextAt - now)));
  }

  #outOfTime(parcel: Parcel, outcomeUnknown: boolean, failed: unknown): EnqueueFailed {
    const cause = failed ?? this.#outage();
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    return failure(parcel, outcomeUnknown, cause, `the storage did not answer within ${this.#waitMs / 1000} s${reason}`);
  }

  #isIdle(): boolean {
    return this.#flights.size === 0 && this.#waiting.length === 0;
  }
}

/** Items that belong to one caller. */
interface Parcel {
  items: readonly OutboxItem[];
  chords: readonly ChordPlan[];
  /** From when its time runs. */
  since: number;
  settled: boolean;
  resolve: (conflicts: Conflicts) => void;
  reject: (error: EnqueueFailed) => void;
}

interface Flight {
  parcels: Parcel[];
  /** An attempt may have stored it. */
  outcomeUnknown: boolean;
  underWay: boolean;
  cause: unknown;
}

/** First in, first out, without moving what stays. */
class Line<T> {
  #items: T[] = [];
  #at = 0;

  get length(): number {
    return this.#items.length - this.#at;
  }

  get first(): T | undefined {
    return this.#items[this.#at];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#at++;
    if (this.#at < 1024 || this.#at * 2 < this.#items.length) {
      if (this.length > 0) return;
    }
    this.#items = this.#items.slice(this.#at);
    this.#at = 0;
  }
}

/** Each caller gets the conflicts of its own items, at its own positions. */
function deliver(parcels: readonly Parcel[], conflicts: Conflicts): void {
  let start = 0;
  for (const parcel of parcels) {
    const end = start + parcel.items.length;
    const own =
      conflicts.length === 0
        ? NO_CONFLICTS
        : conflicts.filter(({ index }) => index >= start && index < end).map(({ index, id }) => ({ index: index - start, id }));
    if (!parcel.settled) {
      parcel.settled = true;
      parcel.resolve(own);
    }
    start = end;
  }
}

function settle(parcel: Parcel, error: EnqueueFailed): void {
  if (parcel.settled) return;
  parcel.settled = true;
  parcel.reject(error);
}

function failure(
  parcel: Parcel,
  outcomeUnknown: boolean,
  cause: unknown,
  reason = cause instanceof Error ? cause.message : String(cause),
): EnqueueFailed {
  const ids = parcel.items.map(({ id }) => id);
  const what = ids.length === 1 ? `task ${ids[0] ?? ''}` : `${ids.length} tasks`;
  const state = outcomeUnknown ? 'may or may not be stored' : 'not stored';
  const next = outcomeUnknown ? '; enqueuing with the same id again makes no second' : '';
  return new EnqueueFailed(`${what} ${state}: ${reason}${next}`, ids, outcomeUnknown, { cause });
}

/** One error for all parts of a long list. */
function throwJoined(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1 || !(first instanceof EnqueueFailed)) throw first;
  const failed = errors.filter((error) => error instanceof EnqueueFailed);
  const ids = failed.flatMap((error) => error.ids);
  const outcomeUnknown = failed.some((error) => error.outcomeUnknown);
  throw new EnqueueFailed(`${ids.length} tasks of a list were not stored for sure: ${first.message}`, ids, outcomeUnknown, {
    cause: first.cause,
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
