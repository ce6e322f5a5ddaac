/**
 * The supervisor's storage as its threads reach it: one storage, many ports, and on each the verbs of a producer (the other end is
 * storage-port.ts). Who waits for which end, and who listens to events, is known here, so that each port is told its own.
 */
import type { MessagePort } from 'node:worker_threads';
import { exposeActor } from '../runtime/actor-ref.js';
import type * as contract from '../runtime/storage.js';
import type { Ended, PortVerbs, Told } from './storage-port.js';

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
