/**
 * Events on their way: a publisher, which sends nothing while nobody listens, and streams, which `huey.events()` gives.
 * Nothing is stored: who does not listen misses it.
 */
import { SECOND_MS } from '../runtime/limits.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { decodeEvent, encodeEvent, gapEvent, type HueyEvent } from './event.js';
import { keepAlive } from './keep-alive.js';

/** Events that wait for a slow reader; when there are more the oldest go, and a gap takes their place. */
export const STREAM_MAX = 10_000;
/** Events that wait to be published. */
const PUBLISH_MAX = 1000;
/** How long an answer whether anybody listens is good for. */
const WANTED_FOR_MS = SECOND_MS;

export interface EventsOptions {
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** Events from now on. Ends by `return` (a loop that is left), by its signal, or when its Huey is closed. */
export interface EventStream extends AsyncIterableIterator<HueyEvent> {
  /** Resolves when no later event is missed any more. */
  readonly listening: Promise<void>;
  return(): Promise<IteratorResult<HueyEvent>>;
}

/** The streams over one storage: it listens while there is one. */
export class EventFeed {
  readonly #storage: ProducerStorage;
  readonly #streams = new Set<Stream>();
  #listening: Promise<void> | undefined;

  constructor(storage: ProducerStorage) {
    this.#storage = storage;
  }

  /** The one of this storage. */
  static of(storage: ProducerStorage): EventFeed {
    let feed = feeds.get(storage);
    if (feed === undefined) feeds.set(storage, (feed = new EventFeed(storage)));
    return feed;
  }

  /** Resolves when the storage listens. */
  async add(stream: Stream): Promise<void> {
    this.#streams.add(stream);
    this.#listening ??= this.#storage.listenToEvents(true);
    try {
      await this.#listening;
    } catch (error) {
      this.#listening = undefined;
      this.#streams.delete(stream);
      throw error;
    }
  }

  remove(stream: Stream): void {
    if (!this.#streams.delete(stream) || this.#streams.size > 0) return;
    this.#listening = undefined;
    this.#storage.listenToEvents(false).catch(() => undefined);
  }

  /** From the storage. */
  deliver(texts: readonly string[], gap: boolean): void {
    if (this.#streams.size === 0) return;
    const events = texts.map(decodeEvent).filter((event) => event !== undefined);
    if (gap) events.unshift(gapEvent(Date.now()));
    for (const stream of this.#streams) stream.push(events);
  }
}

const feeds = new WeakMap<ProducerStorage, EventFeed>();

export class Stream implements EventStream {
  readonly listening: Promise<void>;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting: HueyEvent[] = [];
  readonly #onEnd: () => void;
  #wake: (() => void) | undefined;
  #ended = false;
  #failure: Error | undefined;
  #feed: EventFeed | undefined;

  /** `feed` opens the storage; `onEnd` is called once. */
  constructor(feed: () => Promise<EventFeed>, { signal }: EventsOptions, onEnd: (stream: Stream) => void) {
    this.#signal = signal;
    this.#onEnd = () => onEnd(this);
    signal?.addEventListener('abort', this.end, { once: true });
    if (signal?.aborted === true) this.end();
    this.listening = this.#listen(feed);
    // Who iterates gets the error there.
    this.listening.catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.end();
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<HueyEvent>> {
    while (this.#waiting.length === 0 && !this.#ended) {
      const more = new Promise<void>((resolve) => (this.#wake = resolve));
      await keepAlive(more);
    }
    const event = this.#waiting.shift();
    if (event !== undefined) return { done: false, value: event };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<HueyEvent>> {
    this.#waiting.length = 0;
    this.end();
    return { done: true, value: undefined };
  }

  push(events: readonly HueyEvent[]): void {
    if (this.#ended) return;
    this.#waiting.push(...events);
    if (this.#waiting.length > STREAM_MAX) {
      this.#waiting.splice(0, this.#waiting.length - STREAM_MAX + 1, gapEvent(Date.now()));
    }
    this.#wake?.();
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** What has arrived can still be read. */
  readonly end = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.end);
    this.#feed?.remove(this);
    this.#onEnd();
    this.#wake?.();
  };

  async #listen(open: () => Promise<EventFeed>): Promise<void> {
    if (this.#ended) return;
    const feed = await open();
    if (this.#ended) return;
    this.#feed = feed;
    await feed.add(this);
    // It may have ended meanwhile, before the feed knew it.
    if (this.#ended) feed.remove(this);
  }
}

/** Publishes in batches, while somebody listens. Never throws: events are for people who watch. */
export class EventPublisher {
  readonly #storage: ProducerStorage;
  readonly #now: () => number;
  #queue: (() => HueyEvent)[] = [];
  #sending: Promise<void> | undefined;
  #askedAt = -Infinity;
  #wanted = false;

  /** `now` is monotonic, ms. */
  constructor(storage: ProducerStorage, now: () => number = () => performance.now()) {
    this.#storage = storage;
    this.#now = now;
  }

  /** `event` is called only where somebody listens. */
  publish(event: () => HueyEvent): void {
    if (this.#queue.length >= PUBLISH_MAX) return;
    this.#queue.push(event);
    this.#sending ??= this.#send();
  }

  /** Resolves when nothing waits to be sent. */
  async idle(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    // What is published in one turn of the loop goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      try {
        const wanted = await this.#isWanted();
        const events = this.#queue;
        this.#queue = [];
        if (wanted) await this.#storage.publishEvents(events.map((event) => encodeEvent(event())));
      } catch {
        this.#queue = [];
      }
    }
    this.#sending = undefined;
  }

  async #isWanted(): Promise<boolean> {
    if (this.#now() - this.#askedAt < WANTED_FOR_MS) return this.#wanted;
    this.#wanted = await this.#storage.eventsWanted();
    this.#askedAt = this.#now();
    return this.#wanted;
  }
}
