/** What the harness asks of a system under test, and the messages that carry it. Each system is a process of its own. */
import type { ControlCalls } from '../control/protocol.js';

/** Tasks that every system has: see work.ts. */
export type TaskName = 'noop' | 'cpu' | 'wait' | 'stamp' | 'burn' | 'die';

/** The argument of every task. */
export interface TaskData {
  n: number;
  /** Rounds of calculation; only where the task burns. */
  spins?: number;
  /** How long `burn` burns, by the clock. */
  ms?: number;
  /** The file in which a task notes its runs (control/journal.ts). */
  journal?: string;
}

export interface FillArguments {
  task: TaskName;
  n: number;
  /** All get the number 1, so that all are of one size. */
  alike?: boolean;
  spins?: number;
  /** Not before this time. */
  dueAtMs?: number;
  /** What else is in the argument of each. */
  more?: Pick<TaskData, 'ms' | 'journal'>;
  /** BullMQ alone, for which the death of a thread is a failure of the task: how often it is run at most. */
  attempts?: number;
}

export type EnqueueMode = 'serial' | 'flight' | 'bulk';

export interface Latencies {
  startMs: number[];
  resultMs: number[];
  /** Values that never came, though their tasks ended. */
  lost: number;
  /** What was really offered, tasks per second. */
  perSecond: number;
}

export interface PaceArguments {
  task: TaskName;
  count: number;
  perSecond: number;
  /** Every so many tasks one burns this many spins; 0: none. It is not measured. */
  burnEvery: number;
  burnSpins: number;
  /** One in so many is waited for; the others are only enqueued. */
  sampleEvery: number;
  /** Enqueued in one call. 1: each by itself. */
  batch: number;
}

export interface ConsumeArguments {
  /** Threads of huey-runtime. */
  workers: number;
  /** Tasks at once: in the process's loop, or in each thread. */
  concurrency: number;
  /** BullMQ alone: in its sandboxed threads. */
  threads: boolean;
  /** Somebody waits for what comes out. Without, bee-queue needs to publish nothing. */
  watched: boolean;
}

/** name -> argument and reply. */
export interface SystemCalls extends ControlCalls {
  /** Enqueues n tasks in bulk, numbered from 0. */
  fill: { argument: FillArguments; reply: void };
  /** Enqueues n no-ops and tells how many it stored per second. `size`: calls in flight, or tasks in one bulk call. */
  enqueue: { argument: { n: number; mode: EnqueueMode; size: number }; reply: number };
  /** Starts a consumer; resolves when it takes tasks. */
  consume: { argument: ConsumeArguments; reply: void };
  /** Enqueues at a steady rate and waits for the results. */
  pace: { argument: PaceArguments; reply: Latencies };
  /** Enqueues no-ops, numbered from 0, as fast as it can for so long. Gives their number. */
  flood: { argument: { ms: number; batch: number; inFlight: number }; reply: number };
  /** What can be seen from within a consumer. */
  facts: { argument: void; reply: Facts };
  /** The delays of the event loop that `facts` tells of begin anew. */
  resetDelay: { argument: void; reply: void };
  /** No queue at all: the same task in so many threads with so many places each, each taking the next number. Gives tasks per second. */
  threads: { argument: { task: TaskName; n: number; threads: number; places: number; spins: number }; reply: number };
  /** No queue at all: a script that claims, stores and acknowledges; `n` messages lie ready. Gives tasks per second. */
  limit: { argument: { n: number }; reply: number };
  /** Ends in good order what consumes and what enqueues. */
  stop: { argument: void; reply: void };
}

export interface Facts {
  rssBytes: number;
  loopDelayP50Ms: number;
  loopDelayP99Ms: number;
  loopDelayMaxMs: number;
}

export type CallName = keyof SystemCalls;

export type Handlers = {
  [K in CallName]: (argument: SystemCalls[K]['argument']) => Promise<SystemCalls[K]['reply']>;
};

export interface Request {
  id: number;
  name: CallName;
  argument: unknown;
}

export type Reply = { id: number; value: unknown } | { id: number; error: string };

/** The environment of a system's process. */
export const ENV = { url: 'HUEY_URL', peers: 'BENCH_PEERS' } as const;
export const QUEUE = 'bench';
