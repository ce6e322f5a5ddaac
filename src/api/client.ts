/** The working half of a Huey, which its tasks and results share: ids, the way out, the way back, marks. */
import { IdGenerator } from '../runtime/ids.js';
import type { EnqueueItem, Mark, MarkTarget, ProducerStorage } from '../runtime/storage.js';
import type { HueySettings } from '../runtime/worker-context.js';
import { keepAlive } from './keep-alive.js';
import { Outbox, type OutboxItem } from './outbox.js';
import { ResultWaiter } from './result-waiter.js';
import { closedError, StorageDoor, type OpenStorage } from './storage-door.js';

export interface ClientOptions {
  open: () => OpenStorage | Promise<OpenStorage>;
  settings: HueySettings;
  enqueueWaitMs: number;
}

export class Client {
  readonly settings: HueySettings;
  readonly #ids = new IdGenerator();
  readonly #door: StorageDoor;
  readonly #outbox: Outbox;

  constructor({ open, settings, enqueueWaitMs }: ClientOptions) {
    this.settings = settings;
    this.#door = new StorageDoor(open);
    this.#outbox = new Outbox((items) => this.#door.call((storage) => this.#enqueue(storage, items)), {
      waitMs: enqueueWaitMs,
      outage: () => this.#outage(),
    });
  }

  nextId(): string {
    return this.#ids.next();
  }

  /** @throws EnqueueFailed */
  send(item: OutboxItem): Promise<void> {
    return this.#outbox.send(item);
  }

  /** @throws EnqueueFailed */
  sendMany(items: readonly OutboxItem[]): Promise<void> {
    return this.#outbox.sendMany(items);
  }

  async waiter(): Promise<ResultWaiter> {
    return ResultWaiter.of(await keepAlive(this.#door.storage()));
  }

  revoke(target: MarkTarget, mark: Mark): Promise<void> {
    return this.#door.call((storage) => storage.revoke(target, mark));
  }

  restore(target: MarkTarget): Promise<boolean> {
    return this.#door.call((storage) => storage.restore(target));
  }

  async isRevoked(target: MarkTarget): Promise<boolean> {
    return (await this.#door.call((storage) => storage.readMark(target))) !== undefined;
  }

  /** Lets what is under way finish, ends the waits, closes the storage if it is this Huey's own. */
  async close(): Promise<void> {
    await keepAlive(this.#finish());
  }

  #enqueue(storage: ProducerStorage, items: EnqueueItem[]): Promise<unknown> {
    // From the first call on somebody listens, so that an error can say what is wrong with the connection.
    ResultWaiter.of(storage);
    return storage.enqueue(items);
  }

  #outage(): Error | undefined {
    const storage = this.#door.opened;
    return storage === undefined ? undefined : ResultWaiter.of(storage).outage;
  }

  async #finish(): Promise<void> {
    await this.#outbox.idle();
    const storage = this.#door.opened;
    if (storage !== undefined && this.#door.owned) await ResultWaiter.of(storage).close(closedError());
    await this.#door.close();
  }
}
