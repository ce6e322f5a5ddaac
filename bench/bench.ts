/** What every scenario has at hand: the server, the systems, the size of things, and a clean start for each run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { startRedis, type RedisServer } from '../test/support/redis.js';
import { createStorage } from '../src/runtime/storage/create.js';
import { ChildSystem } from './child-system.js';
import { type SystemSpec } from './contestants.js';
import { N_DEFAULT, type BenchOptions } from './options.js';
import { BeeQueueView } from './queues/bee-queue.js';
import { BullMqView } from './queues/bullmq.js';
import { HueyRedisView } from './queues/huey-redis.js';
import { HueySqliteView } from './queues/huey-sqlite.js';
import type { QueueView } from './queues/queue-view.js';
import { ENV, QUEUE } from './systems/protocol.js';

/** One run of one system, from a clean start. */
export interface Stage {
  start: () => ChildSystem;
  view: QueueView;
  /** Where the queue is kept. */
  url: string;
}

/** How much of everything is done. */
export type BenchSizes = Pick<BenchOptions, 'n' | 'quick' | 'concurrency'>;

export class Bench {
  readonly options: BenchSizes;
  readonly redis: Redis;
  readonly server: RedisServer;
  readonly #peers: string;
  readonly #notes = new Map<string, string>();
  /** Shows a line while something is going on. */
  progress: (text: string) => void = () => undefined;

  private constructor(options: BenchSizes, server: RedisServer, peers: string) {
    this.options = options;
    this.server = server;
    this.redis = new Redis(server.port, '127.0.0.1');
    this.#peers = peers;
  }

  static async open(options: BenchSizes, peers: string): Promise<Bench> {
    return new Bench(options, await startRedis(), peers);
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.server.stop();
  }

  /** How much of something, seen from what it is with the default --n. */
  sized(full: number, least: number): number {
    return Math.max(least, Math.round((full * this.options.n) / N_DEFAULT));
  }

  /** Empties the server, runs, and ends every process of the system, whatever happens. */
  async stage<T>(spec: SystemSpec, run: (stage: Stage) => Promise<T>): Promise<T> {
    await this.redis.flushall();
    const folder = spec.view === 'huey-sqlite' ? await mkdtemp(path.join(tmpdir(), 'huey-bench-')) : undefined;
    const file = path.join(folder ?? '', 'bench.db');
    const url = folder === undefined ? this.server.url : `sqlite:${file}`;
    const children: ChildSystem[] = [];
    const start = (): ChildSystem => {
      const child = new ChildSystem(spec.entry, this.env(url));
      children.push(child);
      return child;
    };
    let view: QueueView | undefined;
    try {
      view = await this.#viewOf(spec, file);
      return await run({ start, view, url });
    } finally {
      await Promise.all(children.map((child) => child.kill()));
      await view?.close();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  /** What is no queue. */
  async bareStage<T>(entry: URL, run: (child: ChildSystem) => Promise<T>): Promise<T> {
    const child = new ChildSystem(entry, this.env(this.server.url));
    try {
      return await run(child);
    } finally {
      await child.kill();
    }
  }

  /** The environment of a system's process: nothing of the shell's that changes a queue. */
  env(url: string): NodeJS.ProcessEnv {
    const rest = Object.entries(process.env).filter(([name]) => !/^(HUEY_|REDIS_URL|NODE_OPTIONS|NODE_TEST_CONTEXT)/.test(name));
    return { ...Object.fromEntries(rest), NODE_ENV: 'production', [ENV.url]: url, [ENV.peers]: this.#peers };
  }

  /** What a reader should know beside the figures; each key once. */
  note(key: string, text: string): void {
    this.#notes.set(key, text);
  }

  takeNotes(): string[] {
    const notes = [...this.#notes.values()];
    this.#notes.clear();
    return notes;
  }

  async #viewOf(spec: SystemSpec, file: string): Promise<QueueView> {
    switch (spec.view) {
      case 'huey-redis':
        return new HueyRedisView(this.redis, QUEUE);
      case 'bullmq':
        return new BullMqView(this.redis, QUEUE);
      case 'bee-queue':
        return new BeeQueueView(this.redis, QUEUE);
      case 'huey-sqlite': {
        // Whoever comes first lays out the file.
        const storage = await createStorage(QUEUE, { kind: 'sqlite', filename: file });
        await storage.counts();
        await storage.close();
        return HueySqliteView.open(file);
      }
    }
  }
}
