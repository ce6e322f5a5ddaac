/**
 * What Redis pushes: the ends of tasks, by bucket, and the control channel. Hints only: a message that is lost with a
 * connection is made up for by whoever waits, who looks again by itself.
 */
import { decodeRecord } from '../completion.js';
import type { StorageEvents } from '../storage.js';
import { RedisConnection, type RedisSpec } from './redis-connection.js';
import type { RedisKeys } from './redis-keys.js';
import { OpenEnds } from './redis-open-ends.js';

/**
 * While somebody listens, the connection is tried this often: one that is half open says nothing, and in a cluster only the node
 * that has the queue's slot can tell whether anybody listens, so who listens follows the slot.
 */
const CHECK_MS = 5000;
/** Channels without a waiter that stay subscribed: the next wait is usually for the same bucket. */
const IDLE_CHANNELS_MAX = 64;

export class RedisSubscriptions {
  readonly #keys: RedisKeys;
  readonly #connection: RedisConnection;
  readonly #events: () => StorageEvents;
  /** Channel -> ids that are waited for. In the order of their last use. */
  readonly #channels = new Map<string, Set<string>>();
  readonly #subscribed = new Map<string, Promise<void>>();
  /** Those of them that the server has confirmed. */
  readonly #confirmed = new Set<string>();
  readonly openEnds = new OpenEnds();
  #control = false;
  #listening = false;
  #waiting = 0;
  /** There was a connection before: what was published between it and the next one is missed. */
  #wasReady = false;
  #checking: NodeJS.Timeout | undefined;

  constructor(keys: RedisKeys, spec: RedisSpec, events: () => StorageEvents) {
    this.#keys = keys;
    this.#events = events;
    this.#connection = new RedisConnection(spec, keys.control, {
      onMessage: (channel, message) => this.#receive(channel, message),
      // The driver subscribes again by itself only on a client that it keeps.
      onReady: () => this.#resubscribe(),
      onLost: () => this.#forget(),
    });
  }

  /** Before a task is enqueued. */
  enqueuing(id: string): void {
    if (this.#confirmed.has(this.#keys.done(id))) this.openEnds.begin(id);
  }

  /** Gives those that may have ended before. */
  async watch(ids: readonly string[]): Promise<string[]> {
    const channels = new Set<string>();
    for (const id of ids) {
      const channel = this.#keys.done(id);
      let waiting = this.#channels.get(channel);
      if (!waiting) this.#channels.set(channel, (waiting = new Set()));
      if (!waiting.has(id)) {
        waiting.add(id);
        this.#hold(1);
      }
      channels.add(channel);
    }
    await Promise.all([...channels].map((channel) => this.#subscribe(channel)));
    return ids.filter((id) => !this.openEnds.take(id));
  }

  unwatch(ids: readonly string[]): void {
    for (const id of ids) {
      const channel = this.#keys.done(id);
      const waiting = this.#channels.get(channel);
      if (!waiting?.delete(id)) continue;
      this.#hold(-1);
      if (waiting.size > 0) continue;
      this.#channels.delete(channel);
      this.#channels.set(channel, waiting);
    }
    this.#dropIdle();
  }

  watchControl(): void {
    if (this.#control) return;
    this.#control = true;
    this.#checkLater();
    // A hint that is missed costs a scheduler interval at most.
    this.#subscribe(this.#keys.control).catch(() => undefined);
  }

  async listenToEvents(on: boolean): Promise<void> {
    if (on === this.#listening) return;
    this.#listening = on;
    this.#hold(on ? 1 : -1);
    if (on) {
      await this.#subscribe(this.#keys.events);
      return;
    }
    this.#subscribed.delete(this.#keys.events);
    await this.#connection.run((client) => client.unsubscribe(this.#keys.events));
  }

  close(): void {
    clearInterval(this.#checking);
    this.#connection.close();
  }

  async #subscribe(channel: string): Promise<void> {
    let subscribed = this.#subscribed.get(channel);
    if (!subscribed) {
      subscribed = this.#connection.run((client) => client.subscribe(channel)).then(() => undefined);
      this.#subscribed.set(channel, subscribed);
      const made = subscribed;
      subscribed.then(
        () => this.#subscribed.get(channel) === made && this.#confirmed.add(channel),
        () => this.#subscribed.delete(channel),
      );
    }
    return subscribed;
  }

  #forget(): void {
    this.#subscribed.clear();
    this.#confirmed.clear();
    this.openEnds.clear();
  }

  #resubscribe(): void {
    this.#forget();
    const channels = [...this.#channels.keys()];
    if (this.#control) channels.push(this.#keys.control);
    if (this.#listening) {
      channels.push(this.#keys.events);
      if (this.#wasReady) this.#events().onEvents?.([], true);
    }
    this.#wasReady = true;
    for (const channel of channels) this.#subscribe(channel).catch(() => undefined);
  }

  #dropIdle(): void {
    let idle = this.#channels.size - IDLE_CHANNELS_MAX;
    for (const [channel, waiting] of this.#channels) {
      if (idle <= 0) return;
      idle -= 1;
      if (waiting.size > 0) continue;
      this.#channels.delete(channel);
      this.#subscribed.delete(channel);
      this.#confirmed.delete(channel);
      // Some of them may end unheard from now on.
      this.openEnds.clear();
      this.#connection.run((client) => client.unsubscribe(channel)).catch(() => undefined);
    }
  }

  #receive(channel: string, message: string): void {
    const events = this.#events();
    if (channel === this.#keys.control) {
      if (message === 'e') events.onListener?.();
      else if (message.startsWith('c')) events.onCancel?.([message.slice(1)]);
      else if (message.startsWith('r')) events.onReload?.(Number(message.slice(1)));
      else events.onScheduled?.();
      return;
    }
    if (channel === this.#keys.events) {
      events.onEvents?.(JSON.parse(message) as string[], false);
      return;
    }
    const waiting = this.#channels.get(channel);
    if (!waiting || (waiting.size === 0 && this.openEnds.isEmpty)) return;
    const lines = message.split('\n');
    const ended: { id: string; record?: ReturnType<typeof decodeRecord> }[] = [];
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const id = lines[i] ?? '';
      const record = lines[i + 1] ?? '';
      if (waiting.has(id)) ended.push(record === '' ? { id } : { id, record: decodeRecord(record) });
      else this.openEnds.take(id);
    }
    if (ended.length > 0) events.onEnded?.(ended);
  }

  /** The connection is held as long as anybody waits, so that a lost one comes back. */
  #hold(change: 1 | -1): void {
    this.#waiting += change;
    if (change === 1 && this.#waiting === 1) this.#connection.hold();
    if (change === -1 && this.#waiting === 0) this.#connection.release();
    if (change === 1) this.#checkLater();
  }

  #checkLater(): void {
    this.#checking ??= setInterval(() => this.#check(), CHECK_MS).unref();
  }

  /** A node that does not have the slot any more says so, one that does not answer is left; either way the subscriptions are made anew. */
  #check(): void {
    if (this.#waiting === 0 && !this.#control) {
      clearInterval(this.#checking);
      this.#checking = undefined;
      return;
    }
    this.#connection.run((client) => client.exists(this.#keys.control)).catch(() => undefined);
  }
}
