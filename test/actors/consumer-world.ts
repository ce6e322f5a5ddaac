/** What the tests of a running consumer stand on: a queue on each kind of storage, and the two ways to run a consumer. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import { createSupervisor, type CreateSupervisorOptions, type SupervisorHandle } from '../../src/actors/create-supervisor.js';
import { createLogger, type Logger } from '../../src/actors/log.js';
import { parseConnectionUrl } from '../../src/runtime/connection.js';
import type { Counts, Storage } from '../../src/runtime/storage.js';
import { createStorage } from '../../src/runtime/storage/create.js';
import { poll } from '../support/poll.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { makeTempDir, removeDir, type Cleanup } from '../support/temp-dir.js';

type Tasks = typeof import('../fixtures/tasks.js');

export type StorageKind = 'memory' | 'sqlite' | 'redis';
export type Mode = 'inline' | 'embedded';

/** A queue in memory is in one thread: an embedded consumer would have one of its own. */
export const WAYS: readonly { kind: StorageKind; mode: Mode }[] = [
  { kind: 'memory', mode: 'inline' },
  { kind: 'sqlite', mode: 'inline' },
  { kind: 'sqlite', mode: 'embedded' },
  { kind: 'redis', mode: 'inline' },
  { kind: 'redis', mode: 'embedded' },
];

let server: Promise<RedisServer> | undefined;
// Here and not in the test that starts it: a hook belongs to the test in which it is made.
after(async () => (await server)?.stop());

/** One server for all tests of a file; each test has queues of its own. */
export function sharedRedis(): Promise<RedisServer> {
  return (server ??= startRedis());
}

export function fixtureUrl(file: string, queue: string, url: string): URL {
  return new URL(`../fixtures/${file}.js?${new URLSearchParams({ queue, url }).toString()}`, import.meta.url);
}

export interface Journal {
  file: string;
  /** What tasks have noted so far. */
  lines: () => string[];
}

export interface Line {
  level: string;
  message: string;
  [field: string]: unknown;
}

/** A queue of its own for one test, its tasks, and consumers that are gone when the test is. */
export class ConsumerWorld {
  readonly queue: string;
  readonly url: string;
  readonly folder: string;
  readonly tasks: Tasks;
  /** What the consumers logged. */
  readonly lines: Line[] = [];
  readonly #t: Cleanup;
  #mode: Mode = 'inline';
  #storage: Storage | undefined;

  static async make(t: Cleanup, { kind, mode = 'inline' }: { kind: StorageKind; mode?: Mode }): Promise<ConsumerWorld> {
    const folder = await makeTempDir();
    const url = kind === 'redis' ? (await sharedRedis()).url : kind === 'sqlite' ? `sqlite:${path.join(folder, 'queue.db')}` : 'memory:';
    return ConsumerWorld.at(t, url, folder, mode);
  }

  static async at(t: Cleanup, url: string, folder: string, mode: Mode = 'inline'): Promise<ConsumerWorld> {
    const queue = `q${randomBytes(6).toString('hex')}`;
    const tasks = (await import(fixtureUrl('tasks', queue, url).href)) as Tasks;
    const world = new ConsumerWorld(t, queue, url, folder, tasks);
    world.#mode = mode;
    return world;
  }

  private constructor(t: Cleanup, queue: string, url: string, folder: string, tasks: Tasks) {
    this.#t = t;
    this.queue = queue;
    this.url = url;
    this.folder = folder;
    this.tasks = tasks;
    t.after(async () => {
      await tasks.huey.close();
      await this.#storage?.close();
      await removeDir(folder);
    });
  }

  get logger(): Logger {
    return createLogger({ level: 'info', format: 'json', write: (line) => this.lines.push(JSON.parse(line) as Line) });
  }

  logged(pattern: RegExp): Line[] {
    return this.lines.filter(({ message }) => pattern.test(message));
  }

  /** A consumer that has not started. */
  consumer(options: Partial<CreateSupervisorOptions> & { file?: string } = {}): SupervisorHandle {
    const { file = 'tasks', ...rest } = options;
    const supervisor = createSupervisor({
      module: fixtureUrl(file, this.queue, this.url),
      workers: 2,
      inline: this.#mode === 'inline',
      logger: this.logger,
      ...rest,
    });
    this.#t.after(() => supervisor.stop({ grace: 0 }));
    return supervisor;
  }

  async start(options: Partial<CreateSupervisorOptions> & { file?: string } = {}): Promise<SupervisorHandle> {
    const supervisor = this.consumer(options);
    await supervisor.start();
    return supervisor;
  }

  /** A look at the queue as another process has it. */
  async storage(): Promise<Storage> {
    this.#storage ??= await createStorage(this.queue, parseConnectionUrl(this.url, this.queue));
    return this.#storage;
  }

  async counts(): Promise<Counts> {
    return (await this.storage()).counts();
  }

  /** Waits until nothing is left to do. */
  async drained(deadlineMs?: number): Promise<void> {
    await poll('an empty queue', async () => sumOf(await this.counts()) === 0, deadlineMs);
  }

  /** A file in which tasks note what they do. */
  journal(name = 'journal'): Journal {
    const file = path.join(this.folder, name);
    return { file, lines: () => readLines(file) };
  }
}

export function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

function sumOf({ ready, scheduled, running }: Counts): number {
  return ready + scheduled + running;
}
