/**
 * Publishes what this consumer does, for whoever watches from any process. Nothing is made, kept or sent while nobody
 * listens; whether somebody does is asked once a second. What cannot be sent is lost: events are news, not a log.
 */
import { encodeEvent, eventStatusesOf, taskEvent, type EventStatus, type TaskEventExtras } from '../api/event.js';
import type { Decision, Outcome } from '../runtime/lifecycle.js';
import type { Message } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { Storage } from '../runtime/storage.js';

const LOOK_MS = 1000;
const BATCH_MS = 50;
/** More than this between two batches are dropped. */
const BATCH_EVENTS_MAX = 5000;

export class EventPublisher {
  readonly #storage: Storage;
  readonly #codec: PayloadCodec;
  #wanted = false;
  #batch: string[] = [];
  #looking: NodeJS.Timeout;
  #sending: NodeJS.Timeout | undefined;

  constructor(storage: Storage, codec: PayloadCodec) {
    this.#storage = storage;
    this.#codec = codec;
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Something happened to the task of this message. */
  task(status: EventStatus, text: string, extras?: TaskEventExtras): void {
    if (!this.#wanted) return;
    try {
      this.#add(status, this.#codec.decodeMessage(text), extras);
    } catch {
      // Bytes that are no message have no name to tell.
    }
  }

  /** A run has ended like this. */
  decided(message: Message, decision: Decision, outcome: Outcome): void {
    if (!this.#wanted) return;
    const extras: TaskEventExtras = 'error' in outcome ? { error: outcome.error } : {};
    if (decision.delayMs !== undefined && decision.delayMs > 0) extras.dueAtMs = Date.now() + decision.delayMs;
    for (const status of eventStatusesOf(outcome, decision)) this.#add(status, message, extras);
  }

  /** Somebody listens from now on. */
  want(): void {
    this.#wanted = true;
  }

  /** Sends what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#looking);
    clearTimeout(this.#sending);
    await this.#send();
  }

  #add(status: EventStatus, message: Message, extras?: TaskEventExtras): void {
    if (this.#batch.length >= BATCH_EVENTS_MAX) return;
    this.#batch.push(encodeEvent(taskEvent(status, message, Date.now(), extras)));
    this.#sending ??= setTimeout(() => {
      this.#sending = undefined;
      void this.#send();
    }, BATCH_MS);
  }

  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length === 0) return;
    try {
      await this.#storage.publishEvents(batch);
    } catch {
      // The storage is away, and whoever listens learns of the gap from its own connection.
    }
  }

  #look(): void {
    this.#storage.eventsWanted().then(
      (wanted) => {
        this.#wanted = wanted;
      },
      () => undefined,
    );
  }
}
