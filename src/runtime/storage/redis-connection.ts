/**
 * One connection to Redis: the file that makes ioredis clients; the others beside it only call what they are given.
 *
 *  1. Nothing is sent twice by the driver: a call whose reply is lost rejects with `outcomeUnknown`, and the caller
 *     repeats it, because every script may be repeated (ioredis would send again by itself, also what is no script).
 *  2. A call that gets no answer in time replaces the client. A client that is told to reconnect while it is
 *     reconnecting already can stay parked for good (taskforcesh/bullmq#4586).
 *  3. An idle connection keeps no process alive: the socket is referenced only while somebody waits for something.
 */
import { Cluster, Redis, type ClusterNode, type RedisOptions } from 'ioredis';
import type { ConnectionSpec } from '../connection.js';
import { ConsumerReaped, HueyException, MalformedMessage, StorageFull, StorageRefused, StorageUnavailable } from '../errors.js';
import { COMMAND_TIMEOUT_MS } from '../limits.js';
import { SCRIPTS, type ScriptName } from './redis-scripts.js';

export type RedisSpec = Extract<ConnectionSpec, { kind: 'redis' }>;
export type RedisArgument = string | number | Buffer;
type Client = Redis | Cluster;
type ScriptCommands = Record<ScriptName, (key: string, ...args: RedisArgument[]) => Promise<unknown>>;

const RECONNECT_MAX_MS = 1000;
const PASSING = /^(LOADING|READONLY|UNBLOCKED|BUSY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|NOREPLICAS|MISCONF)\b/;
const REFUSED = /\b(NOAUTH|WRONGPASS|NOPERM|CROSSSLOT|WRONGTYPE)\b/;

export interface ConnectionEvents {
  onReady?: (client: Client) => void;
  onLost?: (error: Error | undefined) => void;
  onMessage?: (channel: string, message: string) => void;
}

export class RedisConnection {
  readonly #spec: RedisSpec;
  readonly #events: ConnectionEvents;
  #client: Client | undefined;
  #lastError: Error | undefined;
  #holds = 0;
  #closed = false;
  /** Calls that wait for the connection to become ready. */
  readonly #waiters = new Set<{ resolve: () => void; reject: (error: Error) => void }>();

  constructor(spec: RedisSpec, events: ConnectionEvents = {}) {
    this.#spec = spec;
    this.#events = events;
  }

  /** Runs a script. */
  async script(name: ScriptName, key: string, args: RedisArgument[]): Promise<unknown> {
    return this.run((client) => (client as unknown as ScriptCommands)[name](key, ...args));
  }

  /** Runs whatever `send` sends, within `timeoutMs`. */
  async run<T>(send: (client: Client) => Promise<T>, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
    this.hold();
    try {
      const client = await this.ready(timeoutMs);
      return await this.#within(client, send(client), timeoutMs);
    } catch (error) {
      throw translate(error);
    } finally {
      this.release();
    }
  }

  /** The client, connected. @throws StorageUnavailable (nothing was sent) after `timeoutMs`. */
  async ready(timeoutMs = COMMAND_TIMEOUT_MS): Promise<Client> {
    if (this.#closed) throw new StorageUnavailable('the connection to Redis is closed');
    const client = (this.#client ??= this.#connect());
    if (client.status === 'ready') return client;
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void) => (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        settle();
      };
      const waiter = { resolve: finish(resolve), reject: (error: Error) => finish(() => reject(error))() };
      const timer = setTimeout(
        () => waiter.reject(new StorageUnavailable(`Redis is not reachable${this.#because()}`, { cause: this.#lastError })),
        timeoutMs,
      );
      this.#waiters.add(waiter);
    });
    return this.ready(timeoutMs);
  }

  /** While held, the process stays alive and a lost connection is restored; see 3. */
  hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) this.#reference();
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#reference();
  }

  /** Drops the client, with whatever it still waits for, and lets the next call make a new one. */
  replace(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.disconnect();
    if (this.#holds > 0 && !this.#closed) this.#client = this.#connect();
  }

  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#waiters]) waiter.reject(new StorageUnavailable('the connection to Redis was closed'));
    this.#client?.disconnect();
    this.#client = undefined;
  }

  #connect(): Client {
    const client = makeClient(this.#spec, () => this.#holds > 0 && !this.#closed);
    client.on('error', (error: Error) => {
      this.#lastError = error;
      // A wrong password stays wrong: whoever waits learns it now, and not at the end of its patience.
      if (REFUSED.test(error.message)) for (const waiter of [...this.#waiters]) waiter.reject(error);
    });
    client.on('ready', () => {
      if (client !== this.#client) return;
      this.#reference();
      this.#events.onReady?.(client);
      for (const waiter of [...this.#waiters]) waiter.resolve();
    });
    client.on('close', () => {
      if (client === this.#client && !this.#closed) this.#events.onLost?.(this.#lastError);
    });
    client.on('end', () => {
      if (client === this.#client) this.#client = undefined;
    });
    client.on('message', (channel: string, message: string) => this.#events.onMessage?.(channel, message));
    // Failures arrive as 'error' events; the promise only repeats them.
    client.connect().catch(() => undefined);
    return client;
  }

  async #within<T>(client: Client, reply: Promise<T>, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        if (client === this.#client) this.replace();
        reject(new StorageUnavailable(`Redis did not answer within ${timeoutMs / 1000} s`, { outcomeUnknown: true }));
      }, timeoutMs);
    });
    try {
      return await Promise.race([reply, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #reference(): void {
    const client = this.#client;
    const streams = client instanceof Cluster ? client.nodes('all').map((node) => streamOf(node)) : client ? [streamOf(client)] : [];
    for (const stream of streams) {
      if (this.#holds > 0) stream?.ref?.();
      else stream?.unref?.();
    }
  }

  #because(): string {
    return this.#lastError === undefined
      ? ''
      : `: ${this.#lastError.message || (this.#lastError as NodeJS.ErrnoException).code || 'unknown error'}`;
  }
}

function streamOf(client: Redis): { ref?: () => void; unref?: () => void } | undefined {
  return (client as unknown as { stream?: { ref?: () => void; unref?: () => void } }).stream;
}

function makeClient(spec: RedisSpec, wanted: () => boolean): Client {
  const scripts = Object.fromEntries(Object.entries(SCRIPTS).map(([name, lua]) => [name, { lua, numberOfKeys: 1 }]));
  const common: RedisOptions & { replyMapping: 'legacy' } = {
    ...(spec.options as RedisOptions | undefined),
    replyMapping: 'legacy',
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: true,
    retryStrategy: (times) => (wanted() ? reconnectMs(times) : null),
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    scripts,
  };
  if (spec.cluster) {
    return new Cluster(spec.cluster.nodes as ClusterNode[], {
      ...spec.cluster.options,
      lazyConnect: true,
      enableOfflineQueue: false,
      redisOptions: common,
      scripts,
      clusterRetryStrategy: (times) => (wanted() ? reconnectMs(times) : null),
    });
  }
  return spec.url === undefined ? new Redis(common) : new Redis(spec.url, common);
}

function reconnectMs(times: number): number {
  return Math.min(RECONNECT_MAX_MS, 20 * 2 ** Math.min(times, 6));
}

/** What went wrong, in the runtime's own errors. */
export function translate(error: unknown): HueyException {
  if (error instanceof HueyException) return error;
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (message.startsWith('REAPED ')) return new ConsumerReaped(message.slice('REAPED '.length));
  if (message.includes('MALFORMED ')) return new MalformedMessage(message, options);
  if (/\bOOM\b/.test(message)) return new StorageFull(`the Redis server is out of memory (maxmemory): ${message}`, options);
  if (REFUSED.test(message)) return new StorageRefused(`Redis refuses: ${message}`, options);
  if (PASSING.test(message)) return new StorageUnavailable(`Redis is not ready: ${message}`, options);
  if (error instanceof Error && error.name === 'ReplyError') return new StorageRefused(`Redis refuses: ${message}`, options);
  // Nothing was sent where the stream was not writeable; otherwise nobody knows.
  const unsent = message.includes("isn't writeable") || message.includes('ECONNREFUSED');
  return new StorageUnavailable(`the connection to Redis was lost: ${message}`, { ...options, outcomeUnknown: !unsent });
}
