/**
 * One connection to Redis: the file that makes ioredis clients; the others beside it only call what they are given. It leads to
 * one server, to the master that sentinels name, or to the node of a cluster that has the queue (redis-cluster.ts).
 *
 *  1. Nothing is sent twice by the driver: a call whose reply is lost rejects with `outcomeUnknown`, and the caller
 *     repeats it, because every script may be repeated (ioredis would send again by itself, also what is no script).
 *  2. A call that gets no answer in time replaces the client. A client that is told to reconnect while it is
 *     reconnecting already can stay parked for good (taskforcesh/bullmq#4586).
 *  3. An idle connection keeps no process alive: the socket is referenced only while somebody waits for something.
 *  4. A call that a node of a cluster surely did not carry out (MOVED, ASK, TRYAGAIN) is sent again, to where it belongs, once
 *     the slot is whole there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { COMMAND_TIMEOUT_MS } from '../limits.js';
import { StorageUnavailable } from '../errors.js';
import { ClusterRoute } from './redis-cluster.js';
import { isElsewhere, isRefused, translate, withoutCommand } from './redis-errors.js';
import { scriptsFor, type ScriptName } from './redis-scripts.js';
import { redisTarget, type RedisSpec } from './redis-target.js';

export type { RedisSpec } from './redis-target.js';
export type RedisArgument = string | number | Buffer;
export type ScriptCommands = Record<ScriptName, (key: string, guard: string, ...args: RedisArgument[]) => Promise<unknown>>;

const RECONNECT_MAX_MS = 1000;
/** From a connection to its being ready. Who takes it and then says nothing is left: the driver would wait for ever. */
const GREETING_MS = 2000;
/** A server that loads its data is asked this often whether it is done; what it estimates itself may be far too long. */
const LOADING_PAUSE_MS = 250;
/** While a slot moves from node to node, its calls are tried again this often. */
const MOVING_PAUSE_MS = 50;

export interface ConnectionEvents {
  onReady?: () => void;
  onLost?: (error: Error | undefined) => void;
  onMessage?: (channel: string, message: string) => void;
}

export class RedisConnection {
  readonly #spec: RedisSpec;
  readonly #key: string;
  readonly #events: ConnectionEvents;
  #route: ClusterRoute | undefined;
  #client: Redis | undefined;
  #lastError: Error | undefined;
  #holds = 0;
  #closed = false;
  /** Since the connection was last ready. */
  #failures = 0;
  #reconnecting: NodeJS.Timeout | undefined;
  /** Calls that wait for the connection to become ready. */
  readonly #waiters = new Set<{ resolve: () => void; reject: (error: Error) => void }>();

  /** `key` is any key of the queue: in a cluster it says where the queue is. */
  constructor(spec: RedisSpec, key: string, events: ConnectionEvents = {}) {
    this.#spec = spec;
    this.#key = key;
    this.#events = events;
  }

  /** Runs a script. */
  async script(name: ScriptName, args: RedisArgument[]): Promise<unknown> {
    return this.run((client) => this.callScript(client, name, args));
  }

  /**
   * Sends a script. It declares two keys: in a cluster a node refuses it as a whole while one of them is not there because their
   * slot is being moved. The second one never exists, so no script ever runs where only some of the keys are that
   * it will come upon: it would stop half-way, and Redis undoes nothing.
   */
  async callScript(client: Redis, name: ScriptName, args: RedisArgument[]): Promise<unknown> {
    return (client as unknown as ScriptCommands)[name](this.#key, `${this.#key}:none`, ...args);
  }

  /** What `send` sends at once leaves in one packet: the server gets all of it, or nothing. */
  together<T>(client: Redis, send: () => T): T {
    const stream = streamOf(client);
    stream?.cork?.();
    try {
      return send();
    } finally {
      stream?.uncork?.();
    }
  }

  /**
   * Runs whatever `send` sends, within `timeoutMs` where the connection is there. `again` is true where the call was refused
   * by one node of a cluster and comes to the next.
   */
  async run<T>(send: (client: Redis, again: boolean) => Promise<T>, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
    this.hold();
    const endsAt = performance.now() + timeoutMs;
    try {
      for (let tries = 0; ; tries++) {
        const client = await this.ready(Math.max(1, endsAt - performance.now()));
        try {
          return await this.#within(client, send(client, tries > 0), timeoutMs);
        } catch (error) {
          const pauseMs = this.#reroute(client, error, tries);
          if (pauseMs === undefined || performance.now() + pauseMs > endsAt) throw error;
          await sleep(pauseMs);
        }
      }
    } catch (error) {
      throw translate(error);
    } finally {
      this.release();
    }
  }

  /** The client, connected. @throws StorageUnavailable (nothing was sent) after `timeoutMs`. */
  async ready(timeoutMs = COMMAND_TIMEOUT_MS): Promise<Redis> {
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
  replace(reason?: Error): void {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined && !this.#closed) this.#events.onLost?.(reason);
    client?.disconnect();
    // Where nobody answers, an orderly end has no end, and what waits for replies learns of it only then.
    if (client !== undefined) streamOf(client)?.destroy?.();
    if (this.#wanted) this.#client = this.#connect();
  }

  /** Where the connection leads now, as host and port. */
  get peer(): string | undefined {
    const stream = this.#client && streamOf(this.#client);
    return stream?.remoteAddress === undefined ? undefined : `${stream.remoteAddress}:${stream.remotePort}`;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#reconnecting);
    for (const waiter of [...this.#waiters]) waiter.reject(new StorageUnavailable('the connection to Redis was closed'));
    this.#client?.disconnect();
    this.#client = undefined;
  }

  #connect(): Redis {
    clearTimeout(this.#reconnecting);
    const client = this.#makeClient();
    client.on('error', (error: Error) => {
      withoutCommand(error);
      // The driver speaks so also of sentinels that refuse, or know no such master; and this connection does try again.
      const [, reason] = /^All sentinels are unreachable.*?(?: Last error: (.*)|$)/.exec(error.message) ?? [];
      const said = reason === undefined ? error : new Error(`no sentinel names the master: ${reason}`, { cause: error });
      this.#lastError = said;
      // A wrong password stays wrong: whoever waits learns it now, and not at the end of its patience.
      if (isRefused(said)) for (const waiter of [...this.#waiters]) waiter.reject(said);
    });
    let greeting: NodeJS.Timeout | undefined;
    client.on('connect', () => {
      clearTimeout(greeting);
      greeting = setTimeout(() => {
        if (client !== this.#client || client.status === 'ready') return;
        this.#lastError = new Error(`it took a connection and was not ready within ${GREETING_MS / 1000} s`);
        this.replace(this.#lastError);
      }, GREETING_MS).unref();
    });
    client.on('ready', () => {
      clearTimeout(greeting);
      if (client !== this.#client) return;
      this.#failures = 0;
      this.#reference();
      this.#events.onReady?.();
      for (const waiter of [...this.#waiters]) waiter.resolve();
    });
    client.on('close', () => {
      clearTimeout(greeting);
      if (client === this.#client && !this.#closed) this.#events.onLost?.(this.#lastError);
    });
    client.on('end', () => {
      if (client !== this.#client) return;
      this.#client = undefined;
      // The driver gives up where no sentinel or no node of a cluster answers.
      if (this.#wanted) this.#reconnecting = setTimeout(() => this.#connectAgain(), reconnectMs(++this.#failures));
    });
    client.on('message', (channel: string, message: string) => {
      if (client === this.#client) this.#events.onMessage?.(channel, message);
    });
    // Failures arrive as 'error' events; the promise only repeats them.
    client.connect().catch(() => undefined);
    return client;
  }

  #connectAgain(): void {
    if (this.#wanted) this.#client ??= this.#connect();
  }

  get #wanted(): boolean {
    return this.#holds > 0 && !this.#closed;
  }

  #makeClient(): Redis {
    const { options, ...cluster } = redisTarget(this.#spec);
    if (cluster.nodes !== undefined) this.#route ??= new ClusterRoute({ options, ...cluster }, this.#key);
    const texts = Object.entries(scriptsFor(this.#route !== undefined));
    const scripts = Object.fromEntries(texts.map(([name, lua]) => [name, { lua, numberOfKeys: 2 }]));
    const own: RedisOptions & { replyMapping: 'legacy' } = {
      ...options,
      replyMapping: 'legacy',
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableReadyCheck: true,
      maxLoadingRetryTime: LOADING_PAUSE_MS,
      retryStrategy: (times) => (this.#wanted ? reconnectMs(times) : null),
      // Where no sentinel answers the driver gives up, and this connection begins anew.
      sentinelRetryStrategy: () => null,
      reconnectOnError: (error) => (isElsewhere(error, options.sentinels !== undefined) ? 1 : false),
      scripts,
    };
    return new Redis(this.#route === undefined ? own : { ...own, Connector: this.#route.connector() });
  }

  /** How long to wait before the call is sent again; undefined: it failed for good. */
  #reroute(client: Redis, error: unknown, tries: number): number | undefined {
    if (this.#route === undefined || !(error instanceof Error)) return undefined;
    if (/^(ASK|TRYAGAIN) /.test(error.message)) return MOVING_PAUSE_MS;
    if (!error.message.startsWith('MOVED ')) return undefined;
    if (client === this.#client) {
      this.#route.redirect(error.message, streamOf(client)?.remoteAddress);
      this.#client = this.#connect();
      retire(client);
    }
    // Nodes that do not agree yet may send it back and forth.
    return tries === 0 ? 0 : MOVING_PAUSE_MS;
  }

  async #within<T>(client: Redis, reply: Promise<T>, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new StorageUnavailable(`Redis did not answer within ${timeoutMs / 1000} s`, { outcomeUnknown: true });
        if (client === this.#client) this.replace(error);
        reject(error);
      }, timeoutMs);
    });
    try {
      return await Promise.race([reply, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #reference(): void {
    const stream = this.#client && streamOf(this.#client);
    if (this.#holds > 0) stream?.ref?.();
    else stream?.unref?.();
  }

  #because(): string {
    return this.#lastError === undefined
      ? ''
      : `: ${this.#lastError.message || (this.#lastError as NodeJS.ErrnoException).code || 'unknown error'}`;
  }
}

/** Closes a client after it has given the answers that are under way: those of other calls say the same. */
function retire(client: Redis): void {
  const close = (): void => client.disconnect();
  const timer = setTimeout(close, COMMAND_TIMEOUT_MS);
  timer.unref();
  client.ping().then(close, close);
}

interface Stream {
  cork?: () => void;
  uncork?: () => void;
  destroy?: () => void;
  ref?: () => void;
  unref?: () => void;
  remoteAddress?: string;
  remotePort?: number;
}

function streamOf(client: Redis): Stream | undefined {
  return (client as unknown as { stream?: Stream }).stream;
}

function reconnectMs(times: number): number {
  return Math.min(RECONNECT_MAX_MS, 20 * 2 ** Math.min(times, 6));
}
