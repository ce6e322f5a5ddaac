/** The options of a supervisor: the same as the command's, in camelCase. Times are seconds, as in Huey. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { ConfigurationError } from '../runtime/errors.js';
import { CONCURRENCY_MAX, LEASE_MS, SCHEDULER_INTERVAL_MS, SECOND_MS, STOP_GRACE_MS } from '../runtime/limits.js';
import { checkInstanceName } from '../runtime/storage/checks.js';
import type { HealthSettings } from './health-signs.js';
import type { Logger } from './log.js';
import type { RecycleLimits } from './recycler.js';
import { checkOutput, type OutputOption } from './task-lines.js';

export interface SupervisorOptions {
  /** The user's module: a path, seen from `cwd`, or a file: URL. */
  module: string | URL;
  /** Folder that `module` is seen from; default: the process's. */
  cwd?: string;
  /** The export that holds the Huey, or the name of its queue, where the module has several. */
  huey?: string;
  /** Threads that run tasks; default: the cores that are available. */
  workers?: number;
  /** Tasks at once in each thread, for tasks that wait (async); default 1, at most 1000. */
  concurrency?: number;
  /** Where the queue is kept, instead of where the module says: redis://, rediss://, sqlite:FILE, memory:. */
  url?: string;
  /** False: periodic tasks are not enqueued by this consumer; default true. */
  periodic?: boolean;
  /** Crontabs without a zone of their own are in local time and not in UTC; default false. */
  localtime?: boolean;
  /** Longest time between two looks for scheduled tasks, seconds; a factor of 60; default 1. */
  schedulerInterval?: number;
  /** How long the consumer may be silent before its tasks are given back, seconds; default 15. */
  lease?: number;
  /** How long `stop` waits for what runs, seconds; default 25. */
  grace?: number;
  /** A thread is replaced by a new one after about this many tasks, against memory that grows; default: never. Huey: -M. */
  maxTasks?: number;
  /** Age at which a thread is replaced, seconds, at least 1; default: never. */
  maxAge?: number;
  /** What a thread's heap may hold behind a task before it is replaced, MiB, garbage included; default: no limit. */
  maxHeap?: number;
  /**
   * Memory of each thread's heap (the old generation), MiB, at least 16; one that needs more dies, and its task counts as the cause.
   * Buffers do not count, and one huge array may still end the process. Default: as node has it.
   */
  maxMemoryPerWorker?: number;
  /** Modules that the threads load first, as `node --import` does: for TypeScript `['tsx']`. */
  import?: readonly string[];
  /** True: every lock of the queue is taken from whoever holds it, at start; default false. Huey: `-f`. */
  flushLocks?: boolean;
  /** The same for these locks alone. Huey: `-L`. */
  extraLocks?: readonly string[];
  /**
   * The name of this consumer among those of its queues. One that starts under the name of a dead one has that one's tasks
   * given back at once, instead of when the lease ends; one that still lives under it gives way, with the event `fault`.
   */
  instance?: string;
  /** True: a server that does not keep the promises (eviction, no AOF, a replica), or does not say, is refused; default false: it is warned of. */
  strict?: boolean;
  /** A port for GET /live and GET /ready; 0: any that is free, told in the log. Default: none. */
  healthPort?: number;
  /** The address of that port; default 127.0.0.1. */
  healthHost?: string;
  /** A file that is touched every 5 seconds while the consumer lives; seen from `cwd`. Default: none. */
  healthFile?: string;
  logger?: Logger;
  /**
   * Where the text goes that tasks, and the module while it loads, write with `console`: 'tagged': to standard output and standard
   * error, with the task's name and id before each line; 'plain': the same as it is; a function: gets each piece, and must not throw.
   * Where it gives a promise, threads have no room for more until that is settled. Default 'tagged'.
   */
  output?: OutputOption;
}

export interface SupervisorSettings {
  workers: number;
  concurrency: number;
  periodic: boolean;
  zone: 'UTC' | 'local';
  schedulerIntervalMs: number;
  leaseMs: number;
  graceMs: number;
  recycle: RecycleLimits;
  maxMemoryMib: number | undefined;
  imports: readonly string[];
  /** Locks to flush at start; 'all' = those that anybody holds. */
  flush: 'all' | readonly string[];
  instance: string | undefined;
  strict: boolean;
  health: HealthSettings;
  output: OutputOption;
}

/** Whom nobody else can ask; a probe of Kubernetes needs 0.0.0.0. */
export const HEALTH_HOST = '127.0.0.1';
const PORT_MAX = 65_535;
const WORKERS_MAX = 1024;
const LEASE_MAX_SECONDS = 3600;
const AGE_MAX_SECONDS = 365 * 86_400;
/** With less a thread does not come up. */
const HEAP_MIN_MIB = 16;
const HEAP_MAX_MIB = 1024 * 1024;

/** @throws ConfigurationError naming the option. */
export function checkSupervisorOptions(options: SupervisorOptions): SupervisorSettings {
  const schedulerInterval = inRange('schedulerInterval', options.schedulerInterval ?? SCHEDULER_INTERVAL_MS / SECOND_MS, 1, 60);
  if (60 % schedulerInterval !== 0)
    throw new ConfigurationError(`schedulerInterval is ${schedulerInterval}, which is no factor of 60`, 'bad-option');
  return {
    workers: whole('workers', options.workers ?? availableParallelism(), 1, WORKERS_MAX),
    concurrency: whole('concurrency', options.concurrency ?? 1, 1, CONCURRENCY_MAX),
    periodic: options.periodic ?? true,
    zone: options.localtime === true ? 'local' : 'UTC',
    schedulerIntervalMs: schedulerInterval * SECOND_MS,
    leaseMs: inRange('lease', options.lease ?? LEASE_MS / SECOND_MS, 0.5, LEASE_MAX_SECONDS) * SECOND_MS,
    graceMs: inRange('grace', options.grace ?? STOP_GRACE_MS / SECOND_MS, 0, 86_400) * SECOND_MS,
    recycle: {
      maxTasks: options.maxTasks === undefined ? undefined : whole('maxTasks', options.maxTasks, 1, Number.MAX_SAFE_INTEGER),
      maxAgeMs: options.maxAge === undefined ? undefined : inRange('maxAge', options.maxAge, 1, AGE_MAX_SECONDS) * SECOND_MS,
      maxHeapMib: options.maxHeap === undefined ? undefined : whole('maxHeap', options.maxHeap, HEAP_MIN_MIB, HEAP_MAX_MIB),
    },
    maxMemoryMib:
      options.maxMemoryPerWorker === undefined
        ? undefined
        : whole('maxMemoryPerWorker', options.maxMemoryPerWorker, HEAP_MIN_MIB, HEAP_MAX_MIB),
    imports: options.import ?? [],
    flush: options.flushLocks === true ? 'all' : [...new Set(options.extraLocks ?? [])],
    instance: options.instance === undefined ? undefined : checkInstanceName(options.instance),
    strict: options.strict ?? false,
    output: checkOutput(options.output),
    health: {
      port: options.healthPort === undefined ? undefined : whole('healthPort', options.healthPort, 0, PORT_MAX),
      host: options.healthHost ?? HEALTH_HOST,
      file: options.healthFile === undefined ? undefined : path.resolve(options.cwd ?? '.', options.healthFile),
    },
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value))
    throw new ConfigurationError(`${name} is ${value}, and must be a whole number from ${least} to ${most}`, 'bad-option');
  return inRange(name, value, least, most);
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (!(value >= least && value <= most))
    throw new ConfigurationError(`${name} is ${value}, and must be from ${least} to ${most}`, 'bad-option');
  return value;
}
