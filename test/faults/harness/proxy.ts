/**
 * A TCP proxy in front of one Redis server, which loses what a network can lose:
 *
 *  1. `cut`: every connection ends, at once.
 *  2. `stall`: nothing is delivered in either direction, until `resume`; then everything is.
 *  3. `deafen`: the connections of now are half-open for good: they take everything and give nothing. New ones work.
 *     `swallow`: the same, and for new ones too, until `resume`.
 *  4. `loseReply`: delivers the k-th request of a kind, waits for the server's reply, drops it and cuts the connection.
 *     `loseRequest`: cuts instead of delivering it.
 *
 * The kind of a request is the name of the script that it runs (`hueyStep`), else its command (`BLMOVE`). What follows a
 * request that is to lose its reply on the same connection is not delivered: so a test knows what the server has seen.
 */
import { createHash } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { scriptsFor } from '../../../src/runtime/storage/redis-scripts.js';
import type { Cleanup } from '../../support/temp-dir.js';
import { FrameSplitter, type Frame } from './resp.js';

export interface Request {
  /** Name of the script, or the command in capitals. */
  kind: string;
  /** The beginnings of the request's first arguments, the command included. */
  words: readonly string[];
}

/** A kind, `*` for any, or whatever else tells. */
export type Which = string | ((request: Request) => boolean);

export interface Proxy {
  readonly port: number;
  readonly url: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** How many requests of each kind have been delivered to the server. */
  readonly delivered: ReadonlyMap<string, number>;
  cut(): void;
  stall(): void;
  deafen(): void;
  swallow(): void;
  resume(): void;
  /** Resolves when it has happened. `k` counts from now, from 1. */
  loseReply(which: Which, k?: number): Promise<Request>;
  loseRequest(which: Which, k?: number): Promise<Request>;
  /** What was to be lost and has not been is delivered after all. */
  forgive(): void;
  close(): Promise<void>;
}

interface Trap {
  which: Which;
  left: number;
  lose: 'request' | 'reply';
  sprung: (request: Request) => void;
}

const SCRIPT_NAMES = new Map<string, string>(
  Object.entries(scriptsFor(false)).map(([name, lua]) => [sha1(Buffer.from(lua).toString('latin1')), name]),
);
/** Such a list is no reply to a request. */
const PUSHED = /^(message|pmessage|smessage|invalidate)$/;
/** One reply for each channel. */
const MANY_REPLIES = /^[PS]?(UN)?SUBSCRIBE$/;

/** Starts a proxy on a free port of 127.0.0.1; it is gone when the test is. */
export async function startProxy(t: Cleanup, target: { port: number }): Promise<Proxy> {
  const links = new Set<Link>();
  const traps = new Set<Trap>();
  const delivered = new Map<string, number>();
  let stalled = false;
  let swallows = false;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const link = new Link(client, target.port, traps, (kind) => delivered.set(kind, (delivered.get(kind) ?? 0) + 1));
    links.add(link);
    client.once('close', () => links.delete(link));
    if (stalled) link.pause();
    if (swallows) link.deafen();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const lose = (what: Trap['lose'], which: Which, k: number): Promise<Request> =>
    new Promise((sprung) => traps.add({ which, left: k, lose: what, sprung }));
  const proxy: Proxy = {
    port,
    url: `redis://127.0.0.1:${port}`,
    get connections() {
      return links.size;
    },
    delivered,
    cut: () => links.forEach((link) => link.cut()),
    stall() {
      stalled = true;
      links.forEach((link) => link.pause());
    },
    deafen: () => links.forEach((link) => link.deafen()),
    swallow() {
      swallows = true;
      links.forEach((link) => link.deafen());
    },
    resume() {
      stalled = false;
      swallows = false;
      links.forEach((link) => link.resume());
    },
    loseReply: (which, k = 1) => lose('reply', which, k),
    loseRequest: (which, k = 1) => lose('request', which, k),
    forgive: () => traps.clear(),
    async close() {
      links.forEach((link) => link.cut());
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
  t.after(() => proxy.close());
  return proxy;
}

/** One connection of a client, and the proxy's own to the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #traps: Set<Trap>;
  readonly #onDelivered: (kind: string) => void;
  /** Requests that wait for a reply, in order, one entry for each reply. */
  readonly #asked: Request[] = [];
  /** The request whose reply is to be lost, and what came after it. */
  #doomed: { request: Request; trap: Trap } | undefined;
  #held: Frame[] = [];
  #deaf = false;

  constructor(client: Socket, port: number, traps: Set<Trap>, onDelivered: (kind: string) => void) {
    this.#client = client;
    this.#traps = traps;
    this.#onDelivered = onDelivered;
    this.#server = connect(port, '127.0.0.1');
    for (const socket of [client, this.#server]) {
      socket.setNoDelay(true);
      // A connection that is reset is closed too; that it was is no news here.
      socket.on('error', () => undefined);
    }
    // One side of a half-open connection does not learn that the other is gone.
    client.on('end', () => !this.#deaf && this.cut());
    client.on('close', () => !this.#deaf && this.cut());
    // What the server said before it hung up still arrives.
    this.#server.on('close', () => !this.#deaf && this.#client.destroySoon());
    const requests = new FrameSplitter();
    const replies = new FrameSplitter();
    client.on('data', (bytes) => !this.#deaf && requests.push(bytes).forEach((frame) => this.#request(frame)));
    this.#server.on('data', (bytes) => !this.#deaf && replies.push(bytes).forEach((frame) => this.#reply(frame)));
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  deafen(): void {
    this.#deaf = true;
  }

  pause(): void {
    this.#client.pause();
    this.#server.pause();
  }

  resume(): void {
    this.#client.resume();
    this.#server.resume();
  }

  #request(frame: Frame): void {
    if (this.#client.destroyed) return;
    if (this.#doomed !== undefined) {
      this.#held.push(frame);
      return;
    }
    const request = { kind: kindOf(frame), words: frame.words };
    const trap = this.#trapFor(request);
    if (trap?.lose === 'request') {
      this.cut();
      trap.sprung(request);
      return;
    }
    if (trap !== undefined) this.#doomed = { request, trap };
    const replies = MANY_REPLIES.test(request.kind) ? Math.max(1, frame.size - 1) : 1;
    for (let i = 0; i < replies; i++) this.#asked.push(request);
    this.#onDelivered(request.kind);
    this.#server.write(frame.bytes);
  }

  #reply(frame: Frame): void {
    if (this.#client.destroyed) return;
    const pushed = '*>'.includes(frame.type) && PUSHED.test(frame.words[0] ?? '');
    const request = pushed ? undefined : this.#asked.shift();
    if (request === undefined || request !== this.#doomed?.request) {
      this.#client.write(frame.bytes);
      return;
    }
    const { trap } = this.#doomed;
    this.#doomed = undefined;
    if (frame.type === '-' && frame.words[0]?.startsWith('NOSCRIPT') === true) {
      // The server has not run it: the client asks again, and that is the one.
      trap.left = 1;
      this.#traps.add(trap);
      this.#client.write(frame.bytes);
      for (const held of this.#held.splice(0)) this.#request(held);
      return;
    }
    this.cut();
    trap.sprung(request);
  }

  #trapFor(request: Request): Trap | undefined {
    for (const trap of this.#traps) {
      if (typeof trap.which === 'string' ? trap.which !== '*' && trap.which !== request.kind : !trap.which(request)) continue;
      trap.left -= 1;
      if (trap.left > 0) continue;
      this.#traps.delete(trap);
      return trap;
    }
    return undefined;
  }
}

function kindOf({ words: [command = '', what = ''] }: Frame): string {
  const name = command.toUpperCase();
  if (name === 'EVALSHA') return SCRIPT_NAMES.get(what) ?? name;
  return name === 'EVAL' ? (SCRIPT_NAMES.get(sha1(what)) ?? name) : name;
}

/** Of bytes that are carried as latin1, as the splitter reads them. */
function sha1(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}
