/**
 * The way to one queue in a cluster. All keys of a queue are in one slot, so a client needs one connection: to the master
 * that owns the slot. The driver's own Cluster keeps connections to all nodes, sends again what was lost, and follows a slot that
 * moves with one half of a call; here the connection is made to the right node, and made anew when that changes.
 *
 *  1. Who connects asks a node that answers who owns the slot.
 *  2. `redirect` takes the owner that a node has named (MOVED), for the next connection.
 *  3. A slot that is being moved is nobody's: the calls of its queue wait (redis-connection.ts).
 */
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis';
import { describeHost, type RedisHost } from '../redis-url.js';
import type { RedisTarget } from './redis-target.js';

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>;

const ASK_TIMEOUT_MS = 1500;

export class ClusterRoute {
  readonly #target: RedisTarget;
  readonly #key: string;
  /** Of the last answer, replicas included. */
  #known: RedisHost[] = [];
  #next: RedisHost | undefined;

  /** `key` is any key of the queue. */
  constructor(target: RedisTarget, key: string) {
    this.#target = target;
    this.#key = key;
  }

  /** What the driver makes connections by. */
  connector(): new (options: unknown) => AbstractConnector {
    const route = (): Promise<RedisHost> => this.#owner();
    return class extends SlotConnector {
      constructor(options: unknown) {
        super(options as RedisOptions, route);
      }
    };
  }

  /** Takes the owner from `MOVED 3999 host:port`; `from` is the node that said so. */
  redirect(message: string, from: string | undefined): void {
    const [, host = '', port] = /^MOVED \d+ (.*):(\d+)/.exec(message) ?? [];
    this.#next = port === undefined ? undefined : this.#mapped(host === '' || host === '?' ? (from ?? '') : host, Number(port));
    if (this.#next?.host === '') this.#next = undefined;
  }

  async #owner(): Promise<RedisHost> {
    const next = this.#next;
    // Once only: if it cannot be reached, the others know more by then.
    this.#next = undefined;
    if (next !== undefined) return next;
    let failure: unknown = new Error('no node of the cluster is known');
    for (const node of this.#candidates()) {
      try {
        return await this.#ask(node);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Each once, the known ones first, in random order so that nobody's first choice is always the same. */
  #candidates(): RedisHost[] {
    const all = [...shuffled(this.#known), ...shuffled(this.#target.nodes ?? [])];
    return [...new Map(all.map((node) => [describeHost(node), node])).values()];
  }

  async #ask(node: RedisHost): Promise<RedisHost> {
    const client = new Redis({
      ...this.#target.options,
      ...node,
      db: 0,
      lazyConnect: true,
      replyMapping: 'legacy',
      enableReadyCheck: false,
      enableOfflineQueue: true,
      disableClientInfo: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectTimeout: ASK_TIMEOUT_MS,
      commandTimeout: ASK_TIMEOUT_MS,
    });
    let failure: Error | undefined;
    client.on('error', (error: Error) => (failure = error));
    try {
      const [slot, slots] = await Promise.all([client.cluster('KEYSLOT', this.#key), client.cluster('SLOTS')]);
      return this.#read(Number(slot), slots, node);
    } catch (error) {
      // Whatever was under way only says that the connection is closed; the event said why.
      throw failure ?? error;
    } finally {
      client.disconnect();
    }
  }

  #read(slot: number, ranges: readonly SlotRange[], asked: RedisHost): RedisHost {
    // A node may leave out its host where it does not know how it is called: then it is where it was asked.
    const at = ([host, port]: SlotNode): RedisHost =>
      this.#mapped(host === null || host === '' || host === '?' ? asked.host : host, Number(port));
    this.#known = ranges.flatMap(([, , ...nodes]) => nodes.map(at));
    const [, , master] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
    if (master === undefined) throw new Error(`CLUSTERDOWN no node of the cluster serves slot ${slot}`);
    return at(master);
  }

  #mapped(host: string, port: number): RedisHost {
    const { natMap } = this.#target;
    const name = `${host}:${port}`;
    const found = typeof natMap === 'function' ? natMap(name) : natMap?.[name];
    return found ?? { host, port };
  }
}

type SlotNode = [host: string | null, port: number, ...unknown[]];
type SlotRange = [first: number, last: number, ...nodes: SlotNode[]];

class SlotConnector extends AbstractConnector {
  readonly #options: RedisOptions;
  readonly #owner: () => Promise<RedisHost>;

  constructor(options: RedisOptions, owner: () => Promise<RedisHost>) {
    super(options.disconnectTimeout ?? ASK_TIMEOUT_MS);
    this.#options = options;
    this.#owner = owner;
  }

  async connect(): Promise<Stream> {
    this.connecting = true;
    const { host, port } = await this.#owner();
    // Meanwhile it may have been told to close.
    if (!this.connecting) throw new Error('the connection was closed');
    const { tls, family } = this.#options;
    const to = { host, port, ...(family === undefined ? {} : { family }) };
    const stream = tls === undefined ? connectPlain(to) : connectTls({ ...to, ...tls });
    stream.once('error', (error: Error) => (this.firstError = error));
    this.stream = stream;
    return stream;
  }

  /** A replica redirects everything; who is sent to one asks again. */
  override check(info: { role?: string }): boolean {
    return info.role === undefined || info.role === 'master';
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  const tickets = list.map((value) => ({ value, place: Math.random() }));
  return tickets.sort((a, b) => a.place - b.place).map(({ value }) => value);
}
