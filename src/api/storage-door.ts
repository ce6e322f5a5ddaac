/**
 * The way of a Huey to its storage. Opened at the first call; in a worker thread it leads to the supervisor's storage
 * instead of a connection of its own. While a call is under way the process stays alive.
 */
import type { ConnectionSpec } from '../runtime/connection.js';
import { HueyException } from '../runtime/errors.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { workerContext } from '../runtime/worker-context.js';
import type { ImmediateCore } from './immediate.js';
import { keepAlive } from './keep-alive.js';

export interface OpenStorage {
  storage: ProducerStorage;
  /** Undefined where it is somebody else's to close. */
  close?: () => Promise<void>;
}

export class StorageDoor {
  readonly #open: () => OpenStorage | Promise<OpenStorage>;
  #opening: Promise<OpenStorage> | undefined;
  #opened: OpenStorage | undefined;
  #closed = false;

  constructor(open: () => OpenStorage | Promise<OpenStorage>) {
    this.#open = open;
  }

  call<T>(use: (storage: ProducerStorage) => Promise<T>): Promise<T> {
    return keepAlive(this.#opened !== undefined && !this.#closed ? use(this.#opened.storage) : this.storage().then(use));
  }

  /** @throws HueyException ('closed') after close. */
  async storage(): Promise<ProducerStorage> {
    if (this.#closed) throw closedError();
    this.#opening ??= (async () => this.#open())();
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      // A driver that did not load may load later.
      this.#opening = undefined;
      throw error;
    }
    return this.#opened.storage;
  }

  /** The storage if there is one already. */
  get opened(): ProducerStorage | undefined {
    return this.#opened?.storage;
  }

  /** Whether closing the door closes the storage. */
  get owned(): boolean {
    return this.#opened?.close !== undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#opening === undefined) return;
    const opened = await this.#opening.catch(() => undefined);
    await opened?.close?.();
  }
}

export function closedError(): HueyException {
  return new HueyException('this Huey was closed; make a new one to go on', 'closed');
}

/** Opens what a connection names, unless this thread works on that very queue for a supervisor. */
export async function openStorage(queue: string, connection: ConnectionSpec): Promise<OpenStorage> {
  const context = workerContext();
  if (context !== undefined && (context.queue === undefined || context.queue === queue)) return { storage: context.storage };
  const { createStorage } = await import('../runtime/storage/create.js');
  const storage = await createStorage(queue, connection);
  return { storage, close: () => storage.close() };
}

/** A queue in memory that runs what it is given. */
export async function openImmediate(huey: ImmediateCore): Promise<OpenStorage> {
  const { ImmediateStorage } = await import('./immediate.js');
  const { memoryClock } = await import('../runtime/storage/memory-clocks.js');
  const storage = new ImmediateStorage(huey, { now: memoryClock(huey.name) });
  return { storage, close: () => storage.close() };
}
