/** What a running task can learn about itself. The worker runs each function inside `runInTask`; `currentTask` reads it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { HueyException } from '../runtime/errors.js';

/** The invocation that runs here. Its members may be taken apart: `const { id, checkTimeout } = currentTask()`. */
export interface CurrentTask {
  readonly id: string;
  readonly name: string;
  /** Counts from 1. */
  readonly attempt: number;
  /** Retries that are left. */
  readonly retries: number;
  /** Aborted when the task runs out of time or is canceled; its thread is ended a grace period later. */
  readonly signal: AbortSignal;
  /** When it runs out of time; undefined where it has no timeout. */
  readonly deadline: Date | undefined;
  /** What the call gave as `meta`. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Throws once the task ran out of time or was canceled; for loops that never await. */
  readonly checkTimeout: () => void;
  /** Tells how far it is: whoever asks `res.progress()` or listens to events gets it, at most ten times a second, the last one always. */
  readonly progress: (value: unknown) => void;
  /** A line, put together as console.log does. The last 100 are kept as long as the result. */
  readonly log: (...args: unknown[]) => void;
}

/** Which run it is, for those who hold something for it. */
export interface RunInfo {
  readonly queue: string;
  /** Whose lease it is; '' in a worker thread, where the supervisor fills it in. */
  readonly consumer: string;
  readonly id: string;
  /** runOf(head) */
  readonly run: string;
  /** Retries that are left. */
  readonly retries: number;
}

/** Where a running task keeps its RunInfo, out of sight. */
export const RUN: unique symbol = Symbol.for('huey-runtime.run');

/** Where it keeps what its runner knows it by. */
export const OWNER: unique symbol = Symbol.for('huey-runtime.run-owner');

/** The task that runs here, also behind an await. @throws HueyException ('no-task') outside a task. */
export function currentTask(): CurrentTask {
  const task = running().getStore();
  if (task === undefined)
    throw new HueyException('currentTask() was called outside a task; only a consumer runs functions as tasks', 'no-task');
  return task;
}

/** As currentTask, but undefined outside a task. */
export function runningTask(): CurrentTask | undefined {
  return running().getStore();
}

/** Which run this is part of; undefined outside a task. */
export function currentRun(): RunInfo | undefined {
  return (running().getStore() as { readonly [RUN]?: RunInfo } | undefined)?.[RUN];
}

/** What its runner keeps of the run that this is part of, or was: it may have ended. Undefined outside a task. */
export function currentOwner(): unknown {
  return (running().getStore() as { readonly [OWNER]?: unknown } | undefined)?.[OWNER];
}

/** Runs `fn`, and everything that it starts, as part of this task. */
export function runInTask<T>(task: CurrentTask, fn: () => T): T {
  return running().run(task, fn);
}

// Under a global symbol: two copies of this package in one process agree on what runs.
const KEY = Symbol.for('huey-runtime.current-task');
type Holder = { [KEY]?: AsyncLocalStorage<CurrentTask> };

let storage: AsyncLocalStorage<CurrentTask> | undefined;

/** Made at the first need: a producer pays nothing for it. */
function running(): AsyncLocalStorage<CurrentTask> {
  return (storage ??= (globalThis as Holder)[KEY] ??= new AsyncLocalStorage<CurrentTask>());
}
