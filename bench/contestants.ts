/** The systems that are compared, by name: how each is started and looked into. */
import type { ConsumeArguments } from './systems/protocol.js';

export type SystemName = 'huey-runtime' | 'huey-sqlite' | 'bullmq' | 'bullmq-threads' | 'bee-queue';

export interface SystemSpec {
  name: SystemName;
  /** In tables. */
  label: string;
  entry: URL;
  view: 'huey-redis' | 'huey-sqlite' | 'bullmq' | 'bee-queue';
  isPeer: boolean;
  /** What its concurrency means here, and whether the best one is looked for. */
  concurrency: 'swept' | 'threads' | 'fixed';
  consume: Omit<ConsumeArguments, 'concurrency' | 'watched'>;
}

export const WORKERS = 2;
/** No queue: what the machine or the server could do at most. */
export const BARE_ENTRY = new URL('./systems/bare.js', import.meta.url);
const entry = (name: string): URL => new URL(`./systems/${name}.js`, import.meta.url);
const plain = { workers: WORKERS, threads: false };

export const SYSTEMS: Record<SystemName, SystemSpec> = {
  'huey-runtime': {
    name: 'huey-runtime',
    label: 'huey-runtime',
    entry: entry('huey'),
    view: 'huey-redis',
    isPeer: false,
    concurrency: 'fixed',
    consume: plain,
  },
  'huey-sqlite': {
    name: 'huey-sqlite',
    label: 'huey-runtime, SQLite',
    entry: entry('huey'),
    view: 'huey-sqlite',
    isPeer: false,
    concurrency: 'fixed',
    consume: plain,
  },
  bullmq: { name: 'bullmq', label: 'BullMQ', entry: entry('bullmq'), view: 'bullmq', isPeer: true, concurrency: 'swept', consume: plain },
  'bullmq-threads': {
    name: 'bullmq-threads',
    label: 'BullMQ, threads',
    entry: entry('bullmq'),
    view: 'bullmq',
    isPeer: true,
    concurrency: 'threads',
    consume: { workers: WORKERS, threads: true },
  },
  'bee-queue': {
    name: 'bee-queue',
    label: 'bee-queue',
    entry: entry('bee-queue'),
    view: 'bee-queue',
    isPeer: true,
    concurrency: 'swept',
    consume: plain,
  },
};
