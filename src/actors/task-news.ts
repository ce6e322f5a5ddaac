/**
 * The news of this consumer: what it does with tasks, for whoever watches from any process. Nothing is made or sent while
 * nobody listens; whether somebody does is asked once a second. What cannot be sent is lost: events are news, not a log.
 */
import { eventStatusesOf, plainEvent, taskEvent, type EventStatus, type TaskEventExtras } from '../api/event.js';
import { EventPublisher } from '../api/events.js';
import type { Decision, Outcome } from '../runtime/lifecycle.js';
import type { Message } from '../runtime/message.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { Storage } from '../runtime/storage.js';

const LOOK_MS = 1000;

export class TaskNews {
  readonly #storage: Storage;
  readonly #codec: PayloadCodec;
  readonly #publisher: EventPublisher;
  readonly #looking: NodeJS.Timeout;
  #wanted = false;

  constructor(storage: Storage, codec: PayloadCodec) {
    this.#storage = storage;
    this.#codec = codec;
    this.#publisher = new EventPublisher(storage);
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  /** Somebody listens from now on. */
  want(): void {
    this.#wanted = true;
  }

  /** Something happened to the task of this message. */
  task(status: EventStatus, text: string, extras?: TaskEventExtras): void {
    if (!this.#wanted) return;
    const now = Date.now();
    try {
      const message = this.#codec.decodeMessage(text);
      this.#publisher.publish(() => taskEvent(status, message, now, extras));
    } catch {
      // Bytes that are no message have no name to tell.
    }
  }

  /** Something happened that concerns no task. */
  tell(status: EventStatus): void {
    const now = Date.now();
    if (this.#wanted) this.#publisher.publish(() => plainEvent(status, now));
  }

  /** A run has ended like this, and took so much. */
  decided(message: Message, decision: Decision, outcome: Outcome, ran: RunFigures | undefined): void {
    if (!this.#wanted) return;
    const now = Date.now();
    const extras: TaskEventExtras = 'error' in outcome ? { error: outcome.error } : {};
    if (ran !== undefined) extras.ran = ran;
    if (decision.delayMs !== undefined && decision.delayMs > 0) extras.dueAtMs = now + decision.delayMs;
    for (const status of eventStatusesOf(outcome, decision)) this.#publisher.publish(() => taskEvent(status, message, now, extras));
  }

  /** Sends what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#looking);
    await this.#publisher.idle();
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
