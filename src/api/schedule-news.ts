/** Tells who watches what is put into the schedule: that is done by the producer, all other events come from consumers. */
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { EnqueueItem, EnqueueReply, ProducerStorage } from '../runtime/storage.js';
import { taskEvent } from './event.js';
import { EventPublisher } from './events.js';

export class ScheduleNews {
  readonly #codec: PayloadCodec;
  readonly #publishers = new WeakMap<ProducerStorage, EventPublisher>();

  constructor(codec: PayloadCodec) {
    this.#codec = codec;
  }

  /** What was enqueued there. Costs nothing where all of it is due. */
  tell(items: readonly EnqueueItem[], { duplicates, conflicts }: EnqueueReply, storage: ProducerStorage): void {
    const now = Date.now();
    for (const [index, { text, delayMs = 0, etaMs = 0 }] of items.entries()) {
      const dueAtMs = etaMs > 0 ? etaMs : now + delayMs;
      if (dueAtMs <= now || duplicates.includes(index) || conflicts.some((conflict) => conflict.index === index)) continue;
      this.#publisherOf(storage).publish(() => taskEvent('scheduled', this.#codec.decodeMessage(text), now, { dueAtMs }));
    }
  }

  #publisherOf(storage: ProducerStorage): EventPublisher {
    let publisher = this.#publishers.get(storage);
    if (publisher === undefined) this.#publishers.set(storage, (publisher = new EventPublisher(storage)));
    return publisher;
  }
}
