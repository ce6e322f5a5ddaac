/** Embedding: a supervisor in a thread of its own with a handle here, or on the caller's own loop. */
import type { EventEmitter } from 'node:events';
import { EmbeddedSupervisor } from './embedded.js';
import type { Health } from './health.js';
import { Supervisor } from './supervisor.js';
import type { RunSummary, SupervisorEvents } from './supervisor-events.js';
import type { SupervisorOptions } from './supervisor-options.js';

export interface SupervisorHandle extends EventEmitter<SupervisorEvents>, AsyncDisposable {
  /** Resolves when tasks are taken; rejects where the module does not load or the storage refuses. */
  start(): Promise<void>;
  /** Takes nothing new, waits for what runs (`grace` seconds, default 25), gives back the rest. Repeatable. */
  stop(options?: { grace?: number }): Promise<void>;
  /**
   * Loads the module anew, in new threads, without a gap: they take over when all of them have loaded it, the others
   * finish what they run. Resolves then, with the event `reloaded`; of several queues with the last one's summary. Rejects
   * where the module does not load, or changed the queue, its connection or how payloads are kept: the code from before
   * runs on.
   */
  reload(): Promise<RunSummary>;
  /** Whether it lives and whether it takes tasks, as `healthPort` tells it. Answers within about a second; never rejects. */
  health(): Promise<Health>;
}

export interface CreateSupervisorOptions extends SupervisorOptions {
  /**
   * True: on the caller's own loop instead of in a thread of its own. It costs less to start, but a caller that blocks
   * its loop for longer than the lease is taken for dead, and its tasks run again elsewhere. Default false.
   */
  inline?: boolean;
}

/** @throws ConfigurationError where an option is wrong; nothing is started before `start`. */
export function createSupervisor({ inline = false, ...options }: CreateSupervisorOptions): SupervisorHandle {
  return inline ? new Supervisor(options) : new EmbeddedSupervisor(options);
}
