/**
 * A queue in the memory of one thread: for tests, for immediate mode, and the reference for what a storage does. The
 * state and the rules are MemoryQueue's; here are their asynchronous faces: checks, waiting, listeners. Several
 * storages can look at one queue, each with its own listeners and its own wait.
 */
import { ConfigurationError, StorageUnavailable } from '../errors.js';
import type { ResultRecord } from '../completion.js';
import type * as contract from '../storage.js';
import * as checks from './checks.js';
import type { DeadMessage } from './memory-dead.js';
import type { MemoryWatcher } from './memory-queue.js';
import { MemoryQueue } from './memory-queue.js';

export interface MemoryOptions {
  /** A clock that tests can move, ms since 1970. Waiting is by real time all the same. */
  now?: () => number;
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
  #closed = false;
  #wait: Wait | undefined;

  constructor(queue: string, options: MemoryOptions = {}, state = new MemoryQueue(options.now ?? Date.now)) {
    this.address = `memory:${queue}`;
    this.#name = queue;
    this.#queue = state;
    this.#watcher = {
      ended: (ended) => this.#tellEnded(ended),
      scheduledEarlier: () => queueMicrotask(() => this.#events.onScheduled?.()),
      becameReady: () => this.#wait?.wake(),
    };
    state.watchers.add(this.#watcher);
  }

  /** A storage on the one queue of this name in this thread, so that a producer and an inline supervisor share it. */
  static shared(queue: string): MemoryStorage {
    let state = sharedQueues.get(queue);
    if (state === undefined) sharedQueues.set(queue, (state = new MemoryQueue(Date.now)));
    return new MemoryStorage(queue, {}, state);
  }

  /** Another storage on the same queue, as another process has it. */
  another(): MemoryStorage {
    return new MemoryStorage(this.#name, {}, this.#queue);
  }

  async open(): Promise<void> {
    this.#closed = false;
    this.#queue.watchers.add(this.#watcher);
  }

  /** The queue stays. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.watchers.delete(this.#watcher);
    this.#wait?.interrupt();
  }

  listen(events: contract.StorageEvents): void {
    this.#events = events;
  }

  async enqueue(items: readonly contract.EnqueueItem[]): Promise<contract.EnqueueReply> {
    return this.#live().enqueue(checks.checkItems(items));
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    const queue = this.#live();
    return ids.map((id) => queue.readRecord(id));
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    const queue = this.#live();
    for (const id of ids) queue.removeValue(id);
  }

  async watch(ids: readonly string[]): Promise<void> {
    this.#live();
    for (const id of ids) this.#watched.add(id);
  }

  unwatch(ids: readonly string[]): void {
    for (const id of ids) this.#watched.delete(id);
  }

  async revoke(target: contract.MarkTarget, mark: contract.Mark): Promise<void> {
    const queue = this.#live();
    queue.marks.set(checks.checkTarget(target), checks.checkMark(mark), queue.now());
  }

  async restore(target: contract.MarkTarget): Promise<boolean> {
    const queue = this.#live();
    return queue.marks.remove(checks.checkTarget(target), queue.now());
  }

  async readMark(target: contract.MarkTarget): Promise<contract.Mark | undefined> {
    const queue = this.#live();
    return queue.marks.read(checks.checkTarget(target), queue.now());
  }

  async counts(): Promise<contract.Counts> {
    return this.#live().counts();
  }

  async register(consumer: string, leaseMs: number): Promise<{ now: number }> {
    return this.#live().register(checks.checkConsumer(consumer), checks.checkLease(leaseMs));
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
    return this.#live().beat(checks.checkConsumer(consumer), checks.checkLease(leaseMs));
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
    return tasks.map((task) => queue.lastTick(task));
  }

  async skipTicks(tasks: readonly string[], minuteMs: number): Promise<void> {
    checks.checkCount('minuteMs', minuteMs);
    const queue = this.#live();
    for (const task of tasks) queue.skipTick(task, minuteMs);
  }

  async dead(limit: number): Promise<DeadMessage[]> {
    return this.#live().dead(checks.checkCount('limit', limit));
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
