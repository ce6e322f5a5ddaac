/**
 * The supervisor's storage as seen from a thread: no second connection, and only the verbs of a producer. The ends of
 * tasks that are waited for, and events where they are wanted, come back over the same port.
 */
import type { MessagePort } from 'node:worker_threads';
import { connectActor, exposeActor, type ActorRef } from '../runtime/actor-ref.js';
import type { CancelState, CancelVerbs, WaitingMessage } from '../runtime/canceling.js';
import type { ResultRecord } from '../runtime/completion.js';
import { COMMAND_TIMEOUT_MS } from '../runtime/limits.js';
import type * as contract from '../runtime/storage.js';

type PortVerbs = Omit<contract.ProducerStorage, 'listen' | 'unwatch'> & { unwatch(ids: readonly string[]): void };

const VERBS = [
  'enqueue',
  'readResults',
  'removeResults',
  'watch',
  'unwatch',
  'revoke',
  'restore',
  'readMark',
  'cancel',
  'withdrawCancel',
  'findWaiting',
  'endWaiting',
  'counts',
  'readChord',
  'freeUnique',
  'acquireLock',
  'extendLock',
  'releaseLock',
  'isLocked',
  'flushLocks',
  'rateLimit',
  'resetRate',
  'putKey',
  'getKey',
  'deleteKey',
  'list',
  'results',
  'resultCount',
  'retryDead',
  'dropDead',
  'flush',
  'setNote',
  'readNote',
  'publishEvents',
  'listenToEvents',
  'eventsWanted',
] as const satisfies readonly (keyof PortVerbs)[];
/** The storage has its own deadline; this one only catches a supervisor that is gone. */
const DEADLINE_MS = 2 * COMMAND_TIMEOUT_MS;

type Ended = readonly { id: string; record?: ResultRecord }[];
/** What comes over the port without being asked for. */
type Told = { ended?: Ended; events?: readonly string[]; gap?: boolean } | null;

/** In the thread. */
export class PortStorage implements contract.ProducerStorage {
  readonly #port: MessagePort;
  readonly #remote: ActorRef<PortVerbs>;
  #events: contract.StorageEvents = {};

  constructor(port: MessagePort) {
    this.#port = port;
    this.#remote = connectActor<PortVerbs>(port, { name: 'the supervisor', methods: VERBS, deadlineMs: DEADLINE_MS });
    port.on('message', (message: unknown) => {
      const told = message as Told;
      if (told?.ended) this.#events.onEnded?.(told.ended);
      if (told?.events) this.#events.onEvents?.(told.events, told.gap === true);
    });
  }

  listen(events: contract.StorageEvents): void {
    this.#events = events;
  }

  async enqueue(items: readonly contract.EnqueueItem[], chords: readonly contract.ChordPlan[] = []): Promise<contract.EnqueueReply> {
    return this.#remote.enqueue(items, chords);
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    return this.#remote.readResults(ids);
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    return this.#remote.removeResults(ids);
  }

  async watch(ids: readonly string[]): Promise<void> {
    return this.#remote.watch(ids);
  }

  unwatch(ids: readonly string[]): void {
    // A watch that outlives its waiter costs the supervisor a few bytes until the thread ends.
    this.#remote.unwatch(ids).catch(() => undefined);
  }

  async revoke(target: contract.MarkTarget, mark: contract.Mark): Promise<void> {
    return this.#remote.revoke(target, mark);
  }

  async restore(target: contract.MarkTarget): Promise<boolean> {
    return this.#remote.restore(target);
  }

  async readMark(target: contract.MarkTarget): Promise<contract.Mark | undefined> {
    return this.#remote.readMark(target);
  }

  async cancel(id: string): Promise<CancelState> {
    return this.#remote.cancel(id);
  }

  async withdrawCancel(id: string): Promise<CancelState> {
    return this.#remote.withdrawCancel(id);
  }

  async findWaiting(id: string): Promise<WaitingMessage | undefined> {
    return this.#remote.findWaiting(id);
  }

  async endWaiting(message: WaitingMessage, transition: Parameters<CancelVerbs['endWaiting']>[1]): Promise<boolean> {
    return this.#remote.endWaiting(message, transition);
  }

  async counts(): Promise<contract.Counts> {
    return this.#remote.counts();
  }

  async readChord(id: string): Promise<(string | undefined)[]> {
    return this.#remote.readChord(id);
  }

  async freeUnique(key: string, id: string): Promise<void> {
    return this.#remote.freeUnique(key, id);
  }

  async acquireLock(name: string, owner: contract.LockOwner): Promise<boolean> {
    return this.#remote.acquireLock(name, owner);
  }

  async extendLock(name: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#remote.extendLock(name, token, leaseMs);
  }

  async releaseLock(name: string, token: string): Promise<boolean> {
    return this.#remote.releaseLock(name, token);
  }

  async isLocked(name: string): Promise<boolean> {
    return this.#remote.isLocked(name);
  }

  async flushLocks(names?: readonly string[]): Promise<string[]> {
    return this.#remote.flushLocks(names);
  }

  async rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<contract.RateReply> {
    return this.#remote.rateLimit(name, limit, perMs, count);
  }

  async resetRate(name: string): Promise<void> {
    return this.#remote.resetRate(name);
  }

  async putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean> {
    return this.#remote.putKey(key, text, ifEmpty);
  }

  async getKey(key: string, take: boolean): Promise<string | undefined> {
    return this.#remote.getKey(key, take);
  }

  async deleteKey(key: string): Promise<boolean> {
    return this.#remote.deleteKey(key);
  }

  async list(place: contract.Place, limit: number): Promise<contract.Listed[]> {
    return this.#remote.list(place, limit);
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    return this.#remote.results(limit);
  }

  async resultCount(): Promise<number> {
    return this.#remote.resultCount();
  }

  async retryDead(id: string): Promise<boolean> {
    return this.#remote.retryDead(id);
  }

  async dropDead(id: string): Promise<boolean> {
    return this.#remote.dropDead(id);
  }

  async flush(): Promise<void> {
    return this.#remote.flush();
  }

  async setNote(id: string, kind: contract.NoteKind, text: string, ttlSeconds: number): Promise<void> {
    return this.#remote.setNote(id, kind, text, ttlSeconds);
  }

  async readNote(id: string, kind: contract.NoteKind): Promise<string | undefined> {
    return this.#remote.readNote(id, kind);
  }

  async publishEvents(events: readonly string[]): Promise<void> {
    return this.#remote.publishEvents(events);
  }

  async listenToEvents(on: boolean): Promise<void> {
    return this.#remote.listenToEvents(on);
  }

  async eventsWanted(): Promise<boolean> {
    return this.#remote.eventsWanted();
  }

  close(): void {
    this.#port.close();
  }
}

/** In the supervisor: one storage, many ports. */
export class StorageDoor {
  readonly #storage: contract.ProducerStorage;
  readonly #consumer: () => string;
  /** id -> ports whose threads wait for it. */
  readonly #watchers = new Map<string, Set<MessagePort>>();
  /** Ports whose threads listen to events. */
  readonly #listeners = new Set<MessagePort>();

  /** @param consumer this life of the supervisor's consumer: what its threads run is in flight there. */
  constructor(storage: contract.ProducerStorage, consumer: () => string) {
    this.#storage = storage;
    this.#consumer = consumer;
  }

  open(port: MessagePort): void {
    const own = new Set<string>();
    const unwatch = (ids: readonly string[]): void => {
      for (const id of ids) {
        own.delete(id);
        this.#forget(id, port);
      }
    };
    const verbs: PortVerbs = {
      enqueue: (items, chords) => this.#storage.enqueue(items, chords),
      readResults: (ids) => this.#storage.readResults(ids),
      removeResults: (ids) => this.#storage.removeResults(ids),
      watch: (ids) => {
        for (const id of ids) {
          own.add(id);
          const ports = this.#watchers.get(id) ?? new Set();
          this.#watchers.set(id, ports.add(port));
        }
        return this.#storage.watch(ids);
      },
      unwatch,
      revoke: (target, mark) => this.#storage.revoke(target, mark),
      restore: (target) => this.#storage.restore(target),
      readMark: (target) => this.#storage.readMark(target),
      cancel: (id) => this.#storage.cancel(id),
      withdrawCancel: (id) => this.#storage.withdrawCancel(id),
      findWaiting: (id) => this.#storage.findWaiting(id),
      endWaiting: (message, transition) => this.#storage.endWaiting(message, transition),
      counts: () => this.#storage.counts(),
      // Whose run it is the supervisor knows: a thread cannot take a lock in another consumer's name.
      acquireLock: (name, owner) => {
        const run = owner.run === undefined ? {} : { run: { ...owner.run, consumer: this.#consumer() } };
        return this.#storage.acquireLock(name, { ...owner, ...run });
      },
      listenToEvents: (on) => this.#setListening(port, on),
      readChord: (id) => this.#storage.readChord(id),
      freeUnique: (key, id) => this.#storage.freeUnique(key, id),
      extendLock: (name, token, leaseMs) => this.#storage.extendLock(name, token, leaseMs),
      releaseLock: (name, token) => this.#storage.releaseLock(name, token),
      isLocked: (name) => this.#storage.isLocked(name),
      flushLocks: (names) => this.#storage.flushLocks(names),
      rateLimit: (name, limit, perMs, count) => this.#storage.rateLimit(name, limit, perMs, count),
      resetRate: (name) => this.#storage.resetRate(name),
      putKey: (key, text, ifEmpty) => this.#storage.putKey(key, text, ifEmpty),
      getKey: (key, take) => this.#storage.getKey(key, take),
      deleteKey: (key) => this.#storage.deleteKey(key),
      list: (place, limit) => this.#storage.list(place, limit),
      results: (limit) => this.#storage.results(limit),
      resultCount: () => this.#storage.resultCount(),
      retryDead: (id) => this.#storage.retryDead(id),
      dropDead: (id) => this.#storage.dropDead(id),
      flush: () => this.#storage.flush(),
      setNote: (id, kind, text, ttlSeconds) => this.#storage.setNote(id, kind, text, ttlSeconds),
      readNote: (id, kind) => this.#storage.readNote(id, kind),
      publishEvents: (events) => this.#storage.publishEvents(events),
      eventsWanted: () => this.#storage.eventsWanted(),
    };
    exposeActor(port, { ...verbs });
    port.once('close', () => {
      unwatch([...own]);
      this.#setListening(port, false).catch(() => undefined);
    });
  }

  /** From the storage's events. */
  ended(ended: Ended): void {
    const byPort = new Map<MessagePort, Ended[number][]>();
    for (const one of ended) {
      for (const port of this.#watchers.get(one.id) ?? []) {
        const list = byPort.get(port) ?? [];
        list.push(one);
        byPort.set(port, list);
      }
    }
    for (const [port, list] of byPort) port.postMessage({ ended: list });
  }

  /** From the storage's events. */
  events(events: readonly string[], gap: boolean): void {
    for (const port of this.#listeners) port.postMessage({ events, gap } satisfies Told);
  }

  /** The storage is listened to as long as any thread does. */
  async #setListening(port: MessagePort, on: boolean): Promise<void> {
    if (!on && !this.#listeners.delete(port)) return;
    if (on) this.#listeners.add(port);
    await this.#storage.listenToEvents(this.#listeners.size > 0);
  }

  #forget(id: string, port: MessagePort): void {
    const ports = this.#watchers.get(id);
    if (!ports?.delete(port) || ports.size > 0) return;
    this.#watchers.delete(id);
    this.#storage.unwatch([id]);
  }
}
