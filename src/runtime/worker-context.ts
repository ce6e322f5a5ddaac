/**
 * The seam between a user's module and the thread it runs in. A worker actor sets the context before it imports the
 * module; a Huey that is constructed finds it here and talks to the supervisor's storage instead of opening a
 * connection. It is kept under a global symbol, so that two copies of this package in one process still agree.
 */
import type { ConnectionSpec } from './connection.js';
import type { PayloadCodec, PayloadSettings } from './payload-codec.js';
import type { Registry } from './registry.js';
import type { AccountedTask, SignalName, SignalTask } from './signals.js';
import type { ProducerStorage } from './storage.js';

/** What a worker actor uses of a Huey. */
export interface HueyCore {
  /** The queue. */
  readonly name: string;
  readonly connection: ConnectionSpec;
  readonly registry: Registry;
  readonly settings: HueySettings;
  readonly hooks: HooksCore;
  /** How its messages and values are read and written. */
  readonly codec: PayloadCodec;
}

/** What a module wants to be told, and to do around its tasks (api/hooks.ts). Where nothing is registered nothing is called. */
export interface HooksCore {
  /** Something is to be done around the function: `executing`, a pre-execute or a post-execute hook. */
  readonly around: boolean;
  /** Signals that have a handler. */
  wanted(): SignalName[];
  /** Handlers in order. A broken one is reported once and stops nobody. */
  emit(signal: SignalName, task: SignalTask, error?: unknown): void | Promise<void>;
  /** @throws CancelExecution, and nothing else. */
  runPre(task: SignalTask): void | Promise<void>;
  /** Whether somebody waits for `runPost`, and so for what its accounts cost. */
  readonly hasPost: boolean;
  runPost(task: AccountedTask, value: unknown, error: unknown): void | Promise<void>;
  /** Before a thread's first task. */
  runStartup(): Promise<void>;
  /** In the same thread, when it ends in good order. */
  runShutdown(): Promise<void>;
}

export interface HueySettings {
  /** False: no results are kept, only end markers. */
  results: boolean;
  /** True: undefined and null are stored as values too. */
  storeNone: boolean;
  resultTtlMs: number;
  /** True: each failed attempt leaves its error as a note and starts the handler. */
  storeIntermediateErrors?: boolean;
  /** How bodies travel; absent: as they are. */
  payload?: PayloadSettings;
}

export interface WorkerContext {
  /** The supervisor's storage, through the port of this thread. */
  readonly storage: ProducerStorage;
  /** The queue of that storage, once it is known (the module loads first). A Huey of another queue connects by itself. */
  queue?: string;
  /** Every Huey that was constructed in this thread, in order. */
  readonly hueys: HueyCore[];
}

const KEY = Symbol.for('huey-runtime.worker');
type Holder = { [KEY]?: WorkerContext };

export function workerContext(): WorkerContext | undefined {
  return (globalThis as Holder)[KEY];
}

export function enterWorker(context: WorkerContext): void {
  (globalThis as Holder)[KEY] = context;
}
