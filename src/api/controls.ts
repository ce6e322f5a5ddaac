/** The part of a Huey that is about what happens around its tasks: signals and hooks, locks, rate limits, events. */
import type { SignalName } from '../runtime/signals.js';
import { checkAroundName } from './around.js';
import type { Client } from './client.js';
import { EventFeed, Stream, type EventsOptions, type EventStream } from './events.js';
import { Hooks, type PostExecuteHook, type PreExecuteHook, type SignalHandler, type ThreadHook } from './hooks.js';
import { Lock } from './lock.js';
import { checkKeys } from './option-check.js';
import { RateLimit, type RateLimitOptions } from './rate-limit.js';
import { ScheduleNews } from './schedule-news.js';

export abstract class Controls {
  /** What is registered; for the worker. */
  readonly hooks = new Hooks();
  /** The queue. */
  abstract readonly name: string;
  readonly #client: Client;
  readonly #streams = new Set<Stream>();

  constructor(client: Client) {
    this.#client = client;
    client.onCanceled = (message) => this.hooks.emitCanceled(message, client.codec);
    const news = new ScheduleNews(client.codec);
    client.onEnqueued = (items, reply, storage) => {
      news.tell(items, reply, storage);
      void this.hooks.emitEnqueued(items, reply, client.codec);
    };
  }

  /**
   * Calls the handler at these signals, without names at all: `huey.signal('error', 'retrying', handler)`. `executing`
   * comes in the worker before the function, `enqueued` and `scheduled` in the producer, `canceled` of what had not started
   * where it was canceled, the others in some worker once the change counts, at most once. Gives the handler back. Huey: `signal`.
   * @throws ConfigurationError on an unknown name.
   */
  signal<H extends SignalHandler>(...namesAndHandler: [...names: SignalName[], handler: H]): H {
    return this.hooks.signal(...namesAndHandler);
  }

  /** From these signals, or from all. True where it was connected to one. Huey: `disconnect_signal`. */
  disconnectSignal(handler: SignalHandler, ...signals: SignalName[]): boolean {
    return this.hooks.disconnectSignal(handler, ...signals);
  }

  /** Runs before each task, in its thread. CancelExecution keeps the task from running. Gives the hook back. Huey: `pre_execute`. */
  preExecute<H extends PreExecuteHook>(hook: H, name?: string): H {
    return this.hooks.preExecute(hook, name);
  }

  /** Runs after each task, failed ones too, before its end counts. Gives the hook back. Huey: `post_execute`. */
  postExecute<H extends PostExecuteHook>(hook: H, name?: string): H {
    return this.hooks.postExecute(hook, name);
  }

  /** Runs in each worker thread before its first task. Gives the hook back. Huey: `on_startup`. */
  onStartup<H extends ThreadHook>(hook: H, name?: string): H {
    return this.hooks.onStartup(hook, name);
  }

  /** Runs in each worker thread that ends in good order. Gives the hook back. Huey: `on_shutdown`. */
  onShutdown<H extends ThreadHook>(hook: H, name?: string): H {
    return this.hooks.onShutdown(hook, name);
  }

  /** By its name, or the function itself. True where there was one. */
  unregisterPreExecute(hook: string | PreExecuteHook): boolean {
    return this.hooks.unregisterPreExecute(hook);
  }

  unregisterPostExecute(hook: string | PostExecuteHook): boolean {
    return this.hooks.unregisterPostExecute(hook);
  }

  unregisterOnStartup(hook: string | ThreadHook): boolean {
    return this.hooks.unregisterOnStartup(hook);
  }

  unregisterOnShutdown(hook: string | ThreadHook): boolean {
    return this.hooks.unregisterOnShutdown(hook);
  }

  /** A lock by its name: `run(fn)`, `wrap(fn)`, `await using held = await huey.lockTask('x').acquire()`. Huey: `lock_task`. */
  lockTask(name: string): Lock {
    return new Lock(this.#client, this.name, name);
  }

  isLocked(name: string): Promise<boolean> {
    return this.lockTask(name).isLocked();
  }

  /** Takes these locks, or all, from whoever holds them. Gives the names of those that were held. Huey: `flush_locks`. */
  flushLocks(...names: string[]): Promise<string[]> {
    for (const name of names) checkAroundName(name, 'a lock');
    return this.#client.call((storage) => storage.flushLocks(names.length === 0 ? undefined : names));
  }

  /** At most `limit` calls in a window: `run(fn)`, `wrap(fn)`, `acquire()`. Huey: `rate_limit`. */
  rateLimit(name: string, options: RateLimitOptions): RateLimit {
    return new RateLimit(this.#client, name, options);
  }

  /**
   * What all consumers of the queue do, from any process: `for await (const event of huey.events())`. It listens from the
   * call on; an event `gap` says that some may have been missed. Huey 1.x: `for event in consumer`.
   */
  events(options: EventsOptions = {}): EventStream {
    checkKeys(options, EVENTS_KEYS, 'events');
    const feed = async (): Promise<EventFeed> => {
      // The waiter of a storage is the one who listens to it.
      await this.#client.waiter();
      return this.#client.call(async (storage) => EventFeed.of(storage));
    };
    const stream = new Stream(feed, options, (ended) => this.#streams.delete(ended));
    if (!stream.isEnded) this.#streams.add(stream);
    return stream;
  }

  /** Nobody tells them anything any more. */
  protected endEvents(): void {
    for (const stream of this.#streams) stream.end();
  }
}

const EVENTS_KEYS = ['signal'] as const satisfies (keyof EventsOptions)[];
