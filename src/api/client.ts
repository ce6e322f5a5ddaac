/** The working half of a Huey, which its tasks and results share: ids, the way out, the way back, marks. */
import { IdGenerator } from '../runtime/ids.js';
import type { Message } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { ChordPlan, Counts, EnqueueItem, EnqueueReply, Mark, MarkTarget, ProducerStorage } from '../runtime/storage.js';
import type { HueySettings } from '../runtime/worker-context.js';
import { keepAlive } from './keep-alive.js';
import { Outbox, type Conflicts, type OutboxItem } from './outbox.js';
import { ResultWaiter } from './result-waiter.js';
import { closedError, StorageDoor, type OpenStorage } from './storage-door.js';

export interface ClientOptions {
  open: () => OpenStorage | Promise<OpenStorage>;
  settings: HueySettings;
  codec: PayloadCodec;
  enqueueWaitMs: number;
}

export class Client {
  readonly settings: HueySettings;
  readonly codec: PayloadCodec;
  readonly #ids = new IdGenerator();
  readonly #storageDoor: StorageDoor;
  /** In immediate mode: where calls run at once. It stays when the mode ends. */
  #immediateDoor: StorageDoor | undefined;
  #immediate = false;
  readonly #outbox: Outbox;
  /** Is told what was enqueued, once it is; not in immediate mode, where the storage tells it before it runs. */
  onEnqueued: ((items: readonly EnqueueItem[], reply: EnqueueReply, storage: ProducerStorage) => void) | undefined;

  /** Is told of what had not started and was canceled from here. */
  onCanceled: ((message: Message) => void | Promise<void>) | undefined;

  constructor({ open, settings, codec, enqueueWaitMs }: ClientOptions) {
    this.settings = settings;
    this.codec = codec;
    this.#storageDoor = new StorageDoor(open);
    this.#outbox = new Outbox((items, chords) => this.#storageDoor.call((storage) => this.#enqueue(storage, items, chords)), {
      waitMs: enqueueWaitMs,
      outage: () => this.#outage(),
    });
  }

  nextId(): string {
    return this.#ids.next();
  }

  /** @throws EnqueueFailed */
  send(item: OutboxItem): Promise<Conflicts> {
    if (this.#immediate) return this.#sendImmediate([item]);
    return this.#outbox.send(item);
  }

  /** @throws EnqueueFailed */
  sendMany(items: readonly OutboxItem[]): Promise<Conflicts> {
    if (this.#immediate) return this.#sendImmediate(items);
    return this.#outbox.sendMany(items);
  }

  /** All in one call of the storage. @throws EnqueueFailed */
  sendTogether(items: readonly OutboxItem[], chords: readonly ChordPlan[]): Promise<Conflicts> {
    if (this.#immediate) return this.#sendImmediate(items, chords);
    return this.#outbox.sendTogether(items, chords);
  }

  /** Any call of the storage. The process stays alive until it is answered. */
  call<T>(use: (storage: ProducerStorage) => Promise<T>): Promise<T> {
    return this.#door.call((storage) => {
      ResultWaiter.of(storage).flushRemovals();
      return use(storage);
    });
  }

  counts(): Promise<Counts> {
    return this.call((storage) => storage.counts());
  }

  get immediate(): boolean {
    return this.#immediate;
  }

  /** From now on calls run where they are made. `open` gives the storage that runs them; it is opened once. */
  startImmediate(open: () => Promise<OpenStorage>): void {
    this.#immediateDoor ??= new StorageDoor(open);
    this.#immediate = true;
  }

  stopImmediate(): void {
    this.#immediate = false;
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

  /** True where it will end as canceled. */
  cancel(id: string): Promise<boolean> {
    const { codec, onCanceled } = this;
    return this.call(async (storage) => {
      // Rarely needed, and paid by every start of a thread.
      const { cancel } = await import('./cancel.js');
      return cancel(storage, id, { codec, resultTtlMs: this.settings.resultTtlMs, onCanceled });
    });
  }

  async isRevoked(target: MarkTarget): Promise<boolean> {
    return (await this.#door.call((storage) => storage.readMark(target))) !== undefined;
  }

  /** Lets what is under way finish, ends the waits, closes the storage if it is this Huey's own. */
  async close(): Promise<void> {
    await keepAlive(this.#finish());
  }

  get #door(): StorageDoor {
    return this.#immediate && this.#immediateDoor !== undefined ? this.#immediateDoor : this.#storageDoor;
  }

  /** Not through the outbox: a task that calls a task would wait for its own batch. */
  async #sendImmediate(items: readonly OutboxItem[], chords: readonly ChordPlan[] = []): Promise<Conflicts> {
    return (await this.#door.call((storage) => this.#enqueue(storage, [...items], chords))).conflicts;
  }

  async #enqueue(storage: ProducerStorage, items: EnqueueItem[], chords: readonly ChordPlan[]): Promise<EnqueueReply> {
    // From the first call on somebody listens, so that an error can say what is wrong with the connection.
    ResultWaiter.of(storage);
    const reply = await (chords.length === 0 ? storage.enqueue(items) : storage.enqueue(items, chords));
    if (!this.#immediate) this.onEnqueued?.(items, reply, storage);
    return reply;
  }

  #outage(): Error | undefined {
    const storage = this.#door.opened;
    return storage === undefined ? undefined : ResultWaiter.of(storage).outage;
  }

  async #finish(): Promise<void> {
    await this.#outbox.idle();
    for (const door of [this.#storageDoor, this.#immediateDoor]) {
      if (door?.opened !== undefined && door.owned) await ResultWaiter.of(door.opened).close(closedError());
      await door?.close();
    }
  }
}
