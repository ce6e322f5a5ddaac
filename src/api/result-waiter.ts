/**
 * Waits for the ends of tasks, one for each storage:
 *  1. Who begins to wait is entered, the storage is asked to tell of those ids, and then those that may have ended before are
 *     looked at once: an end is seen either by that look or by the push. What begins in one turn of the loop goes in one call.
 *  2. What the storage pushes settles the waits.
 *  3. Pushes are hints and may be lost: every LOOK_MS, and after an outage, all ids that are waited for are looked at.
 *  4. A wait with a timeout ends by its timer.
 *  5. Values that have arrived are removed from the storage, in batches, before the next look at anything.
 *
 * A wait costs an entry in a map and, with a timeout, a timer: there may be 100,000. Timers run, and hold the process,
 * only while somebody waits.
 */
import type { ResultRecord } from '../runtime/completion.js';
import { ResultTimeout, StorageUnavailable } from '../runtime/errors.js';
import { BATCH_MAX, SECOND_MS } from '../runtime/limits.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { EventFeed } from './events.js';
import { keepAlive } from './keep-alive.js';

export const LOOK_MS = 5 * SECOND_MS;
/** The longest that a timer can be; a longer timeout is none. */
const TIMER_MAX_MS = 2 ** 31 - 1;

const waiters = new WeakMap<ProducerStorage, ResultWaiter>();

export class ResultWaiter {
  readonly #storage: ProducerStorage;
  readonly #lookMs: number;
  readonly #waits = new Map<string, Wait[]>();
  /** Entered, but not yet watched and looked at. */
  #fresh: string[] = [];
  /** The storage could not be asked to tell of these. */
  readonly #unwatched = new Set<string>();
  #leaving: string[] = [];
  #removals: string[] = [];
  #removing: Promise<void> = Promise.resolve();
  #interval: NodeJS.Timeout | undefined;
  #looking = false;
  #outage: Error | undefined;

  constructor(storage: ProducerStorage, lookMs: number = LOOK_MS) {
    this.#storage = storage;
    this.#lookMs = lookMs;
    storage.listen({
      onEnded: (ended) => this.#ended(ended),
      onOutage: (lost, error) => {
        this.#outage = lost ? error : undefined;
        if (!lost) void this.#lookAtAll();
      },
      onEvents: (events, gap) => EventFeed.of(storage).deliver(events, gap),
    });
  }

  /** The one of this storage: a storage has one set of listeners. */
  static of(storage: ProducerStorage): ResultWaiter {
    let waiter = waiters.get(storage);
    if (waiter === undefined) waiters.set(storage, (waiter = new ResultWaiter(storage)));
    return waiter;
  }

  /** Why the storage cannot be reached at the moment, where it said so. */
  get outage(): Error | undefined {
    return this.#outage;
  }

  /** Resolves with the record of the final state. `signal` ends the wait. @throws ResultTimeout, the reason of the signal */
  wait(id: string, timeoutMs?: number, signal?: AbortSignal): Promise<ResultRecord> {
    return new Promise((resolve, reject) => {
      const wait: Wait = { resolve, reject, timer: undefined };
      if (timeoutMs !== undefined && timeoutMs <= TIMER_MAX_MS) {
        wait.timer = setTimeout(() => this.#leave(id, wait, new ResultTimeout(id, timeoutMs)), timeoutMs);
      }
      signal?.addEventListener('abort', () => this.#leave(id, wait, signal.reason), { once: true });
      this.#enter(id, wait);
    });
  }

  /** What is there now. */
  look(id: string): Promise<ResultRecord | undefined> {
    this.flushRemovals();
    return keepAlive(this.#storage.readResults([id]).then(([record]) => record));
  }

  /** Removes a value that has arrived. Where that fails the value goes when its time is over. */
  remove(id: string): void {
    this.#removals.push(id);
    // Not before whoever waits has the value: a call of the server costs more than all the rest.
    if (this.#removals.length === 1) setImmediate(() => this.flushRemovals());
    else if (this.#removals.length >= BATCH_MAX) this.flushRemovals();
  }

  /** Ends these waits with an error, for who gives up the storage; gives back when the removals are through. */
  async close(error: Error): Promise<void> {
    for (const id of [...this.#waits.keys()]) this.#settle(id, (wait) => wait.reject(error));
    this.flushRemovals();
    await this.#removing;
  }

  #enter(id: string, wait: Wait): void {
    const others = this.#waits.get(id);
    if (others !== undefined) {
      others.push(wait);
      return;
    }
    this.#waits.set(id, [wait]);
    this.#interval ??= setInterval(() => void this.#lookAtAll(), this.#lookMs);
    this.#fresh.push(id);
    if (this.#fresh.length === 1) queueMicrotask(() => void this.#begin());
  }

  async #begin(): Promise<void> {
    this.flushRemovals();
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const ids of batches(fresh)) {
      await this.#read(await this.#watch(ids));
    }
  }

  /** Gives those that may have ended before. */
  async #watch(ids: readonly string[]): Promise<readonly string[]> {
    try {
      const unsure = await this.#storage.watch(ids);
      for (const id of ids) this.#unwatched.delete(id);
      return unsure;
    } catch (error) {
      for (const id of ids) if (this.#waits.has(id)) this.#unwatched.add(id);
      this.#failed(ids, error);
      return ids;
    }
  }

  /** Settles those that have ended. */
  async #read(ids: readonly string[]): Promise<void> {
    const waited = ids.filter((id) => this.#waits.has(id));
    if (waited.length === 0) return;
    try {
      const records = await this.#storage.readResults(waited);
      waited.forEach((id, i) => {
        const record = records[i];
        if (record !== undefined) this.#settle(id, (wait) => wait.resolve(record));
      });
    } catch (error) {
      this.#failed(waited, error);
    }
  }

  /** While the storage is away the waits stay; anything else will not get better by waiting. */
  #failed(ids: readonly string[], error: unknown): void {
    if (error instanceof StorageUnavailable) return;
    for (const id of ids) this.#settle(id, (wait) => wait.reject(error));
  }

  #ended(ended: readonly { id: string; record?: ResultRecord }[]): void {
    const unread: string[] = [];
    for (const { id, record } of ended) {
      if (!this.#waits.has(id)) continue;
      if (record === undefined) unread.push(id);
      else this.#settle(id, (wait) => wait.resolve(record));
    }
    for (const ids of batches(unread)) void this.#read(ids);
  }

  async #lookAtAll(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    for (const ids of batches([...this.#unwatched])) await this.#watch(ids);
    for (const ids of batches([...this.#waits.keys()])) await this.#read(ids);
    this.#looking = false;
  }

  #settle(id: string, settle: (wait: Wait) => void): void {
    const waits = this.#waits.get(id);
    if (waits === undefined) return;
    this.#forget(id);
    for (const wait of waits) {
      clearTimeout(wait.timer);
      settle(wait);
    }
  }

  #leave(id: string, wait: Wait, error: unknown): void {
    const waits = this.#waits.get(id);
    const at = waits?.indexOf(wait) ?? -1;
    if (waits === undefined || at === -1) return;
    if (waits.length === 1) this.#forget(id);
    else waits.splice(at, 1);
    clearTimeout(wait.timer);
    wait.reject(error);
  }

  #forget(id: string): void {
    this.#waits.delete(id);
    this.#unwatched.delete(id);
    this.#leaving.push(id);
    if (this.#leaving.length === 1) queueMicrotask(() => this.#flushLeaving());
    if (this.#waits.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  #flushLeaving(): void {
    // Somebody may have begun to wait for it anew.
    const leaving = this.#leaving.filter((id) => !this.#waits.has(id));
    this.#leaving = [];
    if (leaving.length > 0) this.#storage.unwatch(leaving);
  }

  /** What is to be removed goes now: before a call that might come upon it. */
  flushRemovals(): void {
    if (this.#removals.length === 0) return;
    const ids = this.#removals;
    this.#removals = [];
    const removal = keepAlive(this.#storage.removeResults(ids)).catch(() => undefined);
    this.#removing = Promise.all([this.#removing, removal]).then(() => undefined);
  }
}

interface Wait {
  resolve: (record: ResultRecord) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

function batches(ids: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let i = 0; i < ids.length; i += BATCH_MAX) parts.push(ids.slice(i, i + BATCH_MAX));
  return parts;
}
