/**
 * Where one row of the table plays: a queue of its own on a server (or a file) of its own, real processes, and the checks
 * at the end. Whatever it started and made is gone when its test is, also where that failed.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Signature } from 'huey-runtime';
import { parseConnectionUrl } from '../../../src/runtime/connection.js';
import type { FinalState } from '../../../src/runtime/completion.js';
import type { Storage } from '../../../src/runtime/storage.js';
import { createStorage } from '../../../src/runtime/storage/create.js';
import { cleanEnv, COMMAND } from '../../cli/command.js';
import { startNode } from '../../support/child.js';
import { poll } from '../../support/poll.js';
import { startRedis, type RedisServer } from '../../support/redis.js';
import { makeTempDir, removeDir, type Cleanup } from '../../support/temp-dir.js';
import { Journal } from './journal.js';
import { lookAt, type Look } from './look.js';
import { ConsumerProcess, ProducerProcess } from './processes.js';
import { Random } from './random.js';
import type { Report } from './report.js';

type Tasks = typeof import('./tasks.js');

/** `none`: the row needs no storage that processes share. With `sentinel` and `cluster` the row starts the servers itself, and sets `url`. */
export type StorageName = 'redis' | 'sentinel' | 'cluster' | 'sqlite' | 'none';

export interface WorldOptions {
  /** Default redis. */
  storage?: StorageName;
  /** Options of the redis-server, such as AOF. */
  redisArgs?: readonly string[];
}

export interface ConsumerOptions {
  /** More options of the command. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Instead of the world's, such as a proxy's. */
  url?: string;
  /** A module beside tasks.ts, without its ending, or an absolute path. Default `tasks`. */
  module?: string;
  /** Default WORKERS. */
  workers?: number;
  /** Seconds; default LEASE_SECONDS. */
  lease?: number;
  /** Options of node itself. */
  nodeArgs?: readonly string[];
  /** False: it is not awaited that it runs, and its consumer id is not known. Default true. */
  wait?: boolean;
}

/** As reliability.md has them: a row that says nothing else has so many tasks, workers per consumer, and such a lease. */
export const TASKS = 2000;
export const WORKERS = 4;
export const LEASE_SECONDS = 2;
export const LEASE_MS = LEASE_SECONDS * 1000;
export const TASK_LEAST_MS = 5;
export const TASK_MOST_MS = 20;
/** The options of a redis-server that keeps what it has acknowledged. */
export const DURABLE: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'];

const RUNNING = /huey-runtime is running/;
const SETTLE_DEADLINE_MS = 120_000;
const READ_BATCH = 500;

export class FaultWorld {
  readonly seed: number;
  readonly random: Random;
  readonly dir: string;
  readonly queue = `q${randomBytes(6).toString('hex')}`;
  readonly journal: Journal;
  /** Where this process and its children find the queue, unless they are told otherwise. */
  url: string;
  /** The server that has the queue, where `url` leads to it by others; for looks behind the storage. */
  serverUrl: string | undefined;
  /** Ids whose enqueue was acknowledged to this process. */
  readonly enqueued: string[] = [];
  #redis: RedisServer | undefined;
  readonly #redisArgs: readonly string[];
  readonly #ending: (() => Promise<unknown>)[] = [];
  #tasks: Promise<Tasks> | undefined;
  #storage: Storage | undefined;
  #starting: Promise<unknown> = Promise.resolve();

  static async open(t: Cleanup, options: WorldOptions, seed: number, salt: string): Promise<FaultWorld> {
    const dir = await makeTempDir();
    const world = new FaultWorld(dir, options, seed, salt);
    t.after(() => world.#close());
    if ((options.storage ?? 'redis') === 'redis') {
      await mkdir(path.join(dir, 'redis'));
      await world.startServer();
    }
    return world;
  }

  private constructor(dir: string, { storage = 'redis', redisArgs = [] }: WorldOptions, seed: number, salt: string) {
    this.dir = dir;
    this.seed = seed;
    this.random = new Random(seed, salt);
    this.journal = new Journal(path.join(dir, 'journal'));
    this.#redisArgs = redisArgs;
    this.url = storage === 'none' ? 'memory:' : `sqlite:${path.join(dir, 'queue.db')}`;
  }

  /** @throws Error where the row has no server */
  get redis(): RedisServer {
    if (this.#redis === undefined) throw new Error('this row has no Redis server');
    return this.#redis;
  }

  /** Starts the server of this world, or starts it again after `redis.kill(...)`, on the same port and files. */
  async startServer(): Promise<RedisServer> {
    const before = this.#redis;
    const directory = path.join(this.dir, 'redis');
    const server = await startRedis(this.#redisArgs, before === undefined ? { directory } : { directory, port: before.port });
    this.onEnd(() => server.stop());
    this.#redis = server;
    // A proxy that was put before it stays.
    if (before === undefined) this.url = server.url;
    return server;
  }

  /** Runs when the row has ended, the latest first. */
  onEnd(action: () => Promise<unknown>): void {
    this.#ending.push(action);
  }

  /** tasks.ts, bound to this world's queue at the url that it had at the first call. */
  tasks(): Promise<Tasks> {
    const query = new URLSearchParams({ queue: this.queue, url: this.url, journal: this.journal.file });
    return (this.#tasks ??= import(new URL(`./tasks.js?${query.toString()}`, import.meta.url).href) as Promise<Tasks>);
  }

  /** Enqueues n tasks from this process: `work` of 5 to 20 ms, or what `make` gives. Gives their ids. */
  async enqueue(n: number, make?: (i: number, tasks: Tasks) => Signature): Promise<string[]> {
    const tasks = await this.tasks();
    const one = make ?? ((_i: number, { work }: Tasks): Signature => work.s(this.random.integer(TASK_LEAST_MS, TASK_MOST_MS)));
    const results = await tasks.huey.enqueueMany(Array.from({ length: n }, (_, i) => one(i, tasks)));
    const ids = results.map((result) => (result as { id: string }).id);
    this.enqueued.push(...ids);
    return ids;
  }

  /** A process of the command. Resolves when it runs; rejects, with its output, where it ends before. */
  async startConsumer(options: ConsumerOptions = {}): Promise<ConsumerProcess> {
    const { args = [], env = {}, url = this.url, module = 'tasks', workers = WORKERS, lease = LEASE_SECONDS, nodeArgs = [] } = options;
    const file = path.isAbsolute(module) ? module : this.fixture(module);
    const own = ['--module', file, '--url', url, '--workers', String(workers), '--lease', String(lease), '--log-format', 'json'];
    const start = (): ReturnType<typeof startNode> => {
      const child = startNode([...nodeArgs, COMMAND, ...own, ...args], { env: { ...this.#env(url), ...env }, cwd: this.dir });
      this.onEnd(() => child.stop());
      return child;
    };
    if (options.wait === false) return new ConsumerProcess(start());
    // One after the other: the id that is new when one runs is its own.
    const started = this.#starting.then(async () => {
      const before = new Set(await this.#consumers());
      const child = start();
      await child.waitFor(RUNNING);
      return new ConsumerProcess(
        child,
        (await this.#consumers()).find((id) => !before.has(id)),
      );
    });
    this.#starting = started.catch(() => undefined);
    return started;
  }

  /** A process that enqueues `work(ms)` n times, one call after the other, with ids of its own. */
  startProducer({ n, prefix, ms = 5, url = this.url }: { n: number; prefix: string; ms?: number; url?: string }): ProducerProcess {
    const child = startNode([this.fixture('producer'), JSON.stringify({ n, prefix, ms })], { env: this.#env(url), cwd: this.dir });
    this.onEnd(() => child.stop());
    return new ProducerProcess(child);
  }

  /** The built file of a module beside this one. */
  fixture(name: string): string {
    return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  }

  /** The storage as another process has it. */
  async storage(): Promise<Storage> {
    this.#storage ??= await createStorage(this.queue, parseConnectionUrl(this.url, this.queue));
    return this.#storage;
  }

  /** What stands behind the contract of the storage. A proxy is passed by. */
  look(): Look {
    return lookAt(this.serverUrl ?? this.#redis?.url ?? this.url, this.queue);
  }

  /** Final states by id, of those that have one. */
  async states(ids: readonly string[] = this.enqueued): Promise<Map<string, FinalState>> {
    const storage = await this.storage();
    const found = new Map<string, FinalState>();
    for (let i = 0; i < ids.length; i += READ_BATCH) {
      const part = ids.slice(i, i + READ_BATCH);
      for (const [k, record] of (await storage.readResults(part)).entries()) {
        const id = part[k];
        if (record !== undefined && id !== undefined) found.set(id, record.state);
      }
    }
    return found;
  }

  /**
   * Resolves when each of these has its final state. It is its only one: what has ended stands nowhere in the queue, and
   * its state is one record. Gives the states.
   */
  async settled(ids: readonly string[] = this.enqueued, deadlineMs = SETTLE_DEADLINE_MS): Promise<Map<string, FinalState>> {
    let states = new Map<string, FinalState>();
    try {
      await poll(
        `the end of ${ids.length} tasks`,
        async () => {
          states = await this.states(ids.filter((id) => !states.has(id))).then((more) => new Map([...states, ...more]));
          return states.size === new Set(ids).size;
        },
        deadlineMs,
      );
    } catch (error) {
      const counts = await (await this.storage()).counts();
      throw new Error(`${ids.length - states.size} of ${ids.length} tasks did not end; the queue has ${JSON.stringify(counts)}`, {
        cause: error,
      });
    }
    const storage = await this.storage();
    for (const place of ['ready', 'scheduled', 'running'] as const) {
      const again = (await storage.list(place, 1_000_000)).filter(({ text }) => ids.some((id) => text.includes(`"${id}"`)));
      assert.equal(again.length, 0, `${again.length} tasks have ended and are ${place} all the same`);
    }
    return states;
  }

  /** Resolves when nothing is left over: no message, no lease, no lock, no key that nobody would ever remove. */
  async quiet(deadlineMs?: number): Promise<void> {
    const storage = await this.storage();
    let seen = '';
    try {
      await poll(
        'a quiet queue',
        async () => {
          const { ready, scheduled, running } = await storage.counts();
          seen = JSON.stringify({ ready, scheduled, running, leftovers: await this.look().leftovers() });
          return ready + scheduled + running === 0 && seen.endsWith('"leftovers":[]}');
        },
        deadlineMs,
      );
    } catch (error) {
      throw new Error(`something is left over: ${seen}`, { cause: error });
    }
  }

  /** The figures of these tasks, from the journal and the storage. */
  async report(more: Pick<Report, 'recoveryMs' | 'note'> = {}, ids: readonly string[] = this.enqueued): Promise<Report> {
    const states = await this.states(ids);
    const runs = this.journal.byId();
    const ran = ids.filter((id) => runs.has(id));
    const lost = ids.filter((id) => !states.has(id) || (states.get(id) === 'done' && !runs.has(id)));
    const duplicates = ran.reduce((sum, id) => sum + (runs.get(id)?.length ?? 1) - 1, 0);
    return { n: ids.length, distinct: ran.length, lost: lost.length, duplicates, ...more };
  }

  async #consumers(): Promise<string[]> {
    // Before the first consumer there may be no file.
    return this.look()
      .consumers()
      .catch(() => []);
  }

  #env(url: string): NodeJS.ProcessEnv {
    return cleanEnv({
      HUEY_URL: url,
      HUEY_FAULTS_QUEUE: this.queue,
      HUEY_FAULTS_JOURNAL: this.journal.file,
      // However the tests are laid out: the process that is killed is the consumer itself, and not one that handed over.
      HUEY_RUNTIME_HANDED_OVER: '1',
    });
  }

  async #close(): Promise<void> {
    const tasks = await this.#tasks?.catch(() => undefined);
    await tasks?.huey.close().catch(() => undefined);
    await this.#storage?.close().catch(() => undefined);
    for (const action of this.#ending.reverse()) await action();
    await removeDir(this.dir);
  }
}
