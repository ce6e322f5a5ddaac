/**
 * A queue in the memory of one thread: for tests, for immediate mode, and the reference for what a storage does. The
 * state and the rules are MemoryQueue's; here are their asynchronous faces: checks, waiting, listeners. Several
 * storages can look at one queue, each with its own listeners and its own wait.
 */
import type { CancelState, WaitingMessage } from '../canceling.js';
import { ConfigurationError, StorageUnavailable } from '../errors.js';
import { checkId } from '../ids.js';
import type { ResultRecord } from '../completion.js';
import type { Finding } from '../finding.js';
import type * as contract from '../storage.js';
import * as checks from './checks.js';
import { memoryClock } from './memory-clocks.js';
import type { MemoryWatcher } from './memory-news.js';
import { MemoryQueue } from './memory-queue.js';

export interface MemoryOptions {
  /** A clock that tests can move, ms since 1970. Waiting is by real time all the same. */
  now?: () => number;
  /** False: every message is leased as if it had no key. Default true. */
  countsKeys?: boolean;
}

const TIMER_MAX_MS = 2 ** 31 - 1;
const sharedQueues = new Map<string, MemoryQueue>();

export class MemoryStorage implements contract.Storage {
  readonly kind = 'memory';
  readonly address: string;
  readonly #name: string;
  readonly #queue: MemoryQueue;
  readonly #watcher: MemoryWatcher;
  readonly #watched = new Set<string>();
  #events: contract.StorageEvents = {};
  #listens = false;
  #closed = false;
  #wait: Wait | undefined;

  constructor(queue: string, options: MemoryOptions = {}, state = new MemoryQueue(options.now ?? Date.now, options.countsKeys)) {
    this.address = `memory:${queue}`;
    this.#name = queue;
    this.#queue = state;
    const storage = this as MemoryStorage;
    this.#watcher = {
      get wantsEvents() {
        return storage.#listens;
      },
      events: (events) => queueMicrotask(() => this.#events.onEvents?.(events, false)),
      ended: (ended) => this.#tellEnded(ended),
      canceled: (ids) => queueMicrotask(() => this.#events.onCancel?.([...ids])),
      reload: (count) => queueMicrotask(() => this.#events.onReload?.(count)),
      scheduledEarlier: () => queueMicrotask(() => this.#events.onScheduled?.()),
      becameReady: () => this.#wait?.wake(),
    };
    state.news.watchers.add(this.#watcher);
  }

  /** A storage on the one queue of this name in this thread, so that a producer and an inline supervisor share it. */
  static shared(queue: string): MemoryStorage {
    let state = sharedQueues.get(queue);
    if (state === undefined) sharedQueues.set(queue, (state = new MemoryQueue(memoryClock(queue))));
    return new MemoryStorage(queue, {}, state);
  }

  /** Another storage on the same queue, as another process has it. */
  another(): MemoryStorage {
    return new MemoryStorage(this.#name, {}, this.#queue);
  }

  async open(): Promise<void> {
    this.#closed = false;
    this.#queue.news.watchers.add(this.#watcher);
  }

  /** The queue stays. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listens = false;
    this.#queue.news.watchers.delete(this.#watcher);
    this.#wait?.interrupt();
  }

  listen(events: contract.StorageEvents): void {
    this.#events = events;
  }

  async enqueue(items: readonly contract.EnqueueItem[], chords: readonly contract.ChordPlan[] = []): Promise<contract.EnqueueReply> {
    return this.#live().enqueue(checks.checkItems(items), checks.checkChords(chords));
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    const queue = this.#live();
    return ids.map((id) => queue.records.read(id, queue.now()));
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    const queue = this.#live();
    for (const id of ids) queue.records.removeValue(id, queue.now());
  }

  async watch(ids: readonly string[]): Promise<readonly string[]> {
    this.#live();
    for (const id of ids) this.#watched.add(id);
    return ids;
  }

  unwatch(ids: readonly string[]): void {
    for (const id of ids) this.#watched.delete(id);
  }

  async revoke(target: contract.MarkTarget, mark: contract.Mark): Promise<void> {
    this.#live().revoke(checks.checkTarget(target), checks.checkMark(mark));
  }

  async restore(target: contract.MarkTarget): Promise<boolean> {
    const queue = this.#live();
    return queue.marks.remove(checks.checkTarget(target), queue.now());
  }

  async readMark(target: contract.MarkTarget): Promise<contract.Mark | undefined> {
    const queue = this.#live();
    return queue.marks.read(checks.checkTarget(target), queue.now());
  }

  async cancel(id: string): Promise<CancelState> {
    return this.#live().cancels.cancel(checkId(id));
  }

  async withdrawCancel(id: string): Promise<CancelState> {
    return this.#live().cancels.withdraw(checkId(id));
  }

  async findWaiting(id: string): Promise<WaitingMessage | undefined> {
    return this.#live().cancels.find(checkId(id));
  }

  async endWaiting(message: WaitingMessage, transition: contract.Transition): Promise<boolean> {
    return this.#live().cancels.end(message, checks.checkEnd(message, transition));
  }

  async counts(): Promise<contract.Counts> {
    return this.#live().counts();
  }

  async readChord(id: string): Promise<(string | undefined)[]> {
    const queue = this.#live();
    return queue.chords.read(id, queue.now());
  }

  async freeUnique(key: string, id: string): Promise<void> {
    const queue = this.#live();
    queue.uniques.free(key, id, queue.now());
  }

  async acquireLock(name: string, owner: contract.LockOwner): Promise<boolean> {
    const queue = this.#live();
    return queue.locks.acquire(checks.checkLockName(name), checks.checkOwner(owner), queue.now());
  }

  async extendLock(name: string, token: string, leaseMs: number): Promise<boolean> {
    const queue = this.#live();
    return queue.locks.extend(checks.checkLockName(name), token, checks.checkLease(leaseMs), queue.now());
  }

  async releaseLock(name: string, token: string): Promise<boolean> {
    const queue = this.#live();
    return queue.locks.release(checks.checkLockName(name), token, queue.now());
  }

  async isLocked(name: string): Promise<boolean> {
    const queue = this.#live();
    return queue.locks.isHeld(checks.checkLockName(name), queue.now());
  }

  async flushLocks(names?: readonly string[]): Promise<string[]> {
    const queue = this.#live();
    return queue.locks.flush(names?.map(checks.checkLockName), queue.now());
  }

  async rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<contract.RateReply> {
    checks.checkRate(limit, perMs);
    const queue = this.#live();
    return queue.rates.call(checks.checkLockName(name), limit, perMs, count, queue.now());
  }

  async resetRate(name: string): Promise<void> {
    this.#live().rates.reset(checks.checkLockName(name));
  }

  async putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean> {
    const { keys } = this.#live();
    if (ifEmpty && keys.has(key)) return false;
    keys.set(checks.checkKey(key), checks.checkText(text));
    return true;
  }

  async getKey(key: string, take: boolean): Promise<string | undefined> {
    const { keys } = this.#live();
    const text = keys.get(checks.checkKey(key));
    if (take) keys.delete(key);
    return text;
  }

  async deleteKey(key: string): Promise<boolean> {
    return this.#live().keys.delete(checks.checkKey(key));
  }

  async list(place: contract.Place, limit: number): Promise<contract.Listed[]> {
    return this.#live().list(checks.checkPlace(place), checks.checkCount('limit', limit));
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    const queue = this.#live();
    return [...queue.records.values(queue.now())].slice(0, checks.checkCount('limit', limit));
  }

  async resultCount(): Promise<number> {
    const queue = this.#live();
    return [...queue.records.values(queue.now())].length;
  }

  async retryDead(id: string): Promise<boolean> {
    return this.#live().retryDead(id);
  }

  async dropDead(id: string): Promise<boolean> {
    return this.#live().dropDead(id);
  }

  async flush(): Promise<void> {
    this.#live().flush();
  }

  async setNote(id: string, kind: contract.NoteKind, text: string, ttlSeconds: number): Promise<void> {
    const queue = this.#live();
    const endsAt = queue.now() + checks.checkNumber('ttlSeconds', ttlSeconds) * 1000;
    queue.notes.set(`${kind} ${id}`, checks.checkText(text), endsAt, queue.now());
  }

  async readNote(id: string, kind: contract.NoteKind): Promise<string | undefined> {
    const queue = this.#live();
    return queue.notes.get(`${kind} ${id}`, queue.now());
  }

  async publishEvents(events: readonly string[]): Promise<void> {
    this.#live().news.publish(events);
  }

  async listenToEvents(on: boolean): Promise<void> {
    this.#live();
    this.#listens = on;
  }

  async eventsWanted(): Promise<boolean> {
    return this.#live().news.eventsWanted;
  }

  async examine(): Promise<Finding[]> {
    return [{ kind: 'danger', text: 'the queue is kept in the memory of this process alone: its tasks end with it' }];
  }

  async register(consumer: string, leaseMs: number, instance?: contract.InstanceClaim): Promise<contract.RegisterReply> {
    const claim = instance === undefined ? undefined : checks.checkInstance(instance);
    const queue = this.#live();
    return { ...queue.register(checks.checkConsumer(consumer), checks.checkLease(leaseMs), claim), reloads: queue.news.reloads };
  }

  async step(call: contract.StepCall): Promise<contract.StepReply> {
    return this.#live().step(checks.checkStep(call));
  }

  async waitAndStep(call: contract.StepCall, waitMs: number): Promise<contract.StepReply> {
    if (this.#wait !== undefined) throw new ConfigurationError('a storage waits for one consumer at a time; use another storage');
    const checked = checks.checkStep(call);
    const wait = (this.#wait = new Wait(checks.checkNumber('waitMs', waitMs)));
    try {
      while (this.#live().findsNothing(checked) && !wait.isOver()) await wait.pause();
      return this.#live().step(checked);
    } finally {
      wait.end();
      this.#wait = undefined;
    }
  }

  interrupt(): void {
    this.#wait?.interrupt();
  }

  async beat(consumer: string, leaseMs: number): Promise<contract.BeatReply> {
    const queue = this.#live();
    return { ...queue.beat(checks.checkConsumer(consumer), checks.checkLease(leaseMs)), reloads: queue.news.reloads };
  }

  async requestReload(): Promise<number> {
    const queue = this.#live();
    queue.news.reload();
    return queue.counts().consumers;
  }

  async heldIds(consumer: string): Promise<string[]> {
    return this.#live().heldIds(checks.checkConsumer(consumer));
  }

  async release(consumer: string, ids: readonly string[]): Promise<number> {
    return this.#live().release(checks.checkConsumer(consumer), ids);
  }

  async unregister(consumer: string): Promise<void> {
    this.#live().unregister(checks.checkConsumer(consumer));
  }

  async reap(leaseMs: number): Promise<contract.ReapReply> {
    return this.#live().reap(checks.checkLease(leaseMs));
  }

  async promote(limit: number): Promise<contract.PromoteReply> {
    return this.#live().promote(checks.checkCount('limit', limit));
  }

  async tick(call: contract.TickCall): Promise<boolean> {
    checks.checkCount('minuteMs', call.minuteMs);
    const [item] = checks.checkItems([{ text: call.text }]);
    return item !== undefined && this.#live().tick(call, item);
  }

  async lastTicks(tasks: readonly string[]): Promise<(number | undefined)[]> {
    const queue = this.#live();
    return tasks.map((task) => queue.ticks.last(task));
  }

  async skipTicks(tasks: readonly string[], minuteMs: number): Promise<void> {
    checks.checkCount('minuteMs', minuteMs);
    const queue = this.#live();
    for (const task of tasks) queue.ticks.skip(task, minuteMs);
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  pushRaw(text: string): void {
    this.#queue.pushRaw(text);
  }

  #live(): MemoryQueue {
    if (this.#closed) throw new StorageUnavailable(`${this.address} is closed`);
    return this.#queue;
  }

  /** A listener runs after the verb, so that what it does or throws cannot disturb the reply. */
  #tellEnded(ended: readonly { id: string; record: ResultRecord }[]): void {
    if (this.#watched.size === 0) return;
    const mine = ended.filter(({ id }) => this.#watched.has(id));
    if (mine.length > 0) queueMicrotask(() => this.#events.onEnded?.(mine));
  }
}

/** One wait for something to take: over after its time or when it is interrupted, paused until somebody wakes it. */
class Wait {
  readonly #timer: NodeJS.Timeout;
  #over: boolean;
  #resume: (() => void) | undefined;

  constructor(waitMs: number) {
    this.#over = waitMs === 0;
    this.#timer = setTimeout(() => this.interrupt(), Math.min(waitMs, TIMER_MAX_MS));
  }

  isOver(): boolean {
    return this.#over;
  }

  pause(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve));
  }

  wake(): void {
    this.#resume?.();
  }

  interrupt(): void {
    this.#over = true;
    this.wake();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
