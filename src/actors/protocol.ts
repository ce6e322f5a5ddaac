/** The messages between a place (supervisor) and its thread. The hot ones are as bare as they can be. */
import type { MessagePort } from 'node:worker_threads';
import type { ConnectionSpec } from '../runtime/connection.js';
import type { ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import type { TaskManifest } from '../runtime/registry.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import type { SignalName } from '../runtime/signals.js';
import type { HueySettings } from '../runtime/worker-context.js';
import type { TaskLine } from './task-lines.js';

/** What a thread needs to live: the argument of its one long run in the pool. */
export interface SessionStart {
  /** file: URL of the user's module. */
  module: string;
  /** The export that holds the Huey, where the user named one. */
  huey: string | undefined;
  /** Work, control and outcomes. */
  port: MessagePort;
  /** The supervisor's storage, through comlink. */
  storagePort: MessagePort;
  lanes: SharedArrayBuffer[];
  /** Tasks at once in this thread. */
  concurrency: number;
  /** Tell what the heap holds behind each chunk. */
  tellHeap: boolean;
  /** What of its output is under way (output-budget.ts). */
  output: SharedArrayBuffer;
}

export type ToThread =
  | {
      kind: 'chunk';
      lane: number;
      text: string;
      count: number;
      /** Storage's clock minus this machine's. */
      skewMs: number;
      /** Tell when each task starts and how long it took. */
      observe: boolean;
    }
  | { kind: 'abort'; lane: number; slot: number; reason: 'timeout' | 'canceled' | 'stopping' }
  /** Tell the module's handlers; the commits counted. */
  | { kind: 'signals'; list: PendingSignal[] }
  | { kind: 'stop' };

/** A signal on its way: the thread that tells it reads the task from its message. */
export interface PendingSignal {
  signal: SignalName;
  text: string;
  error?: ErrorInfo;
}

/** A bare number is the lane whose chunk has come to its end. */
export type FromThread =
  | number
  | { kind: 'ready'; manifest: Manifest; threadId: number }
  | { kind: 'unloadable'; error: ErrorInfo }
  /** Nothing runs any more, and the module's shutdown hooks are through. */
  | { kind: 'ended' }
  /** The soft stop of a run was heard: the thread's loop turns. */
  | { kind: 'heard'; lane: number; slot: number }
  /** In a chunk that is observed. */
  | { kind: 'started'; lane: number; slot: number }
  /** What completed in a chunk that is observed, but for what was told as an outcome. */
  | { kind: 'finished'; lane: number; runs: FinishedRun[] }
  /** `ran`: in a chunk that is observed. */
  | { kind: 'outcome'; lane: number; slot: number; outcome: Outcome; ran?: RunFigures }
  /** A completion that found no room in the arena. */
  | { kind: 'completion'; lane: number; bytes: Uint8Array }
  /** Written with console. */
  | { kind: 'console'; line: TaskLine }
  /** What is in use of the thread's heap. */
  | { kind: 'heap'; bytes: number }
  /** An error that no task is running for: a timer that an ended task left behind. */
  | { kind: 'stray'; error: ErrorInfo };

export interface FinishedRun extends RunFigures {
  slot: number;
}

/** What the supervisor knows of the user's module. */
export interface Manifest {
  queue: string;
  connection: ConnectionSpec;
  settings: HueySettings;
  tasks: TaskManifest[];
  /** Signals that the module has handlers for. */
  signals: SignalName[];
}
