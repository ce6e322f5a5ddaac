/**
 * The supervisor's storage as seen from a thread: no second connection, and only the verbs of a producer. The ends of
 * tasks that are waited for come back over the same port.
 */
import type { MessagePort } from 'node:worker_threads';
import { connectActor, exposeActor, type ActorRef } from '../runtime/actor-ref.js';
import type { ResultRecord } from '../runtime/completion.js';
import { COMMAND_TIMEOUT_MS } from '../runtime/limits.js';
import type { Counts, EnqueueItem, EnqueueReply, Mark, MarkTarget, ProducerStorage, StorageEvents } from '../runtime/storage.js';

type PortVerbs = Omit<ProducerStorage, 'listen' | 'unwatch'> & { unwatch(ids: readonly string[]): void };

const VERBS = [
  'enqueue',
  'readResults',
  'removeResults',
  'watch',
  'unwatch',
  'revoke',
  'restore',
  'readMark',
  'counts',
] as const satisfies readonly (keyof PortVerbs)[];
/** The storage has its own deadline; this one only catches a supervisor that is gone. */
const DEADLINE_MS = 2 * COMMAND_TIMEOUT_MS;

type Ended = readonly { id: string; record?: ResultRecord }[];

/** In the thread. */
export class PortStorage implements ProducerStorage {
  readonly #port: MessagePort;
  readonly #remote: ActorRef<PortVerbs>;
  #events: StorageEvents = {};

  constructor(port: MessagePort) {
    this.#port = port;
    this.#remote = connectActor<PortVerbs>(port, { name: 'the supervisor', methods: VERBS, deadlineMs: DEADLINE_MS });
    port.on('message', (message: unknown) => {
      const ended = (message as { ended?: Ended } | null)?.ended;
      if (ended) this.#events.onEnded?.(ended);
    });
  }

  listen(events: StorageEvents): void {
    this.#events = events;
  }

  async enqueue(items: readonly EnqueueItem[]): Promise<EnqueueReply> {
    return this.#remote.enqueue(items);
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

  async revoke(target: MarkTarget, mark: Mark): Promise<void> {
    return this.#remote.revoke(target, mark);
  }

  async restore(target: MarkTarget): Promise<boolean> {
    return this.#remote.restore(target);
  }

  async readMark(target: MarkTarget): Promise<Mark | undefined> {
    return this.#remote.readMark(target);
  }

  async counts(): Promise<Counts> {
    return this.#remote.counts();
  }

  close(): void {
    this.#port.close();
  }
}

/** In the supervisor: one storage, many ports. */
export class StorageDoor {
  readonly #storage: ProducerStorage;
  /** id -> ports whose threads wait for it. */
  readonly #watchers = new Map<string, Set<MessagePort>>();

  constructor(storage: ProducerStorage) {
    this.#storage = storage;
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
      enqueue: (items) => this.#storage.enqueue(items),
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
      counts: () => this.#storage.counts(),
    };
    exposeActor(port, { ...verbs });
    port.once('close', () => unwatch([...own]));
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

  #forget(id: string, port: MessagePort): void {
    const ports = this.#watchers.get(id);
    if (!ports?.delete(port) || ports.size > 0) return;
    this.#watchers.delete(id);
    this.#storage.unwatch([id]);
  }
}
