/** What a supervisor tells, and with which words. */
import type { TaskAccounts } from '../runtime/run-accounts.js';
import type { Dropped } from '../runtime/storage.js';

export interface TaskEvent {
  task: { id: string; name: string };
  /** Seconds that the function took; at `complete`. */
  duration?: number;
  /** What the run took; at `complete`, and at `failed`, `retrying` and `timeout` where somebody listened when it started. */
  accounts?: TaskAccounts;
  /** At `failed` and `retrying`. */
  error?: string;
  /** Seconds until the next try; at `retrying`. */
  delay?: number;
}

export interface RunSummary {
  queue: string;
  /** Address of the storage, without passwords. */
  storage: string;
  workers: number;
  tasks: number;
  periodic: number;
}

export interface SupervisorEvents {
  /** It runs. */
  ready: [summary: RunSummary];
  /** New code has taken over (`reload`). */
  reloaded: [summary: RunSummary];
  complete: [event: TaskEvent];
  failed: [event: TaskEvent];
  retrying: [event: TaskEvent];
  canceled: [event: TaskEvent];
  timeout: [event: TaskEvent];
  interrupted: [event: TaskEvent];
  expired: [event: TaskEvent];
  revoked: [event: TaskEvent];
  dead: [event: TaskEvent];
  /** The consumer cannot go on. */
  fault: [error: Error];
}

/** Every state that a dropped task may have is an event of the same name. */
export type DroppedEvent = Dropped['state'] & keyof SupervisorEvents;
