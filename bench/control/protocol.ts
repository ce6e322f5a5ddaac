/** What the control scenarios ask of huey-runtime's process, beside what every system is asked. */
import type { Offered } from './steady-load.js';

/** Endless loops: `loop` has a timeout, `brief` a short one without grace. */
export type EndlessName = 'loop' | 'brief';

/** How tasks ended: 'done' or the code of the error that the waiter got -> how many. */
export type Endings = Record<string, number>;

/** What a process holds that must not grow. */
export interface Holdings {
  threads: number;
  /** Handles by which threads and ports wake the loop of the main thread; one for each port. */
  ports: number;
  rssBytes: number;
}

export interface ControlCalls {
  /** Enqueues endless loops and waits until each has ended. */
  settle: { argument: { task: EndlessName; count: number; journal: string }; reply: Endings };
  /**
   * Enqueues so many endless loops without a timeout, `atOnce` at a time, and cancels each once it runs. Gives the ms from
   * the call of `cancel` to the TaskCanceled of who waits, one for each.
   */
  cancel: { argument: { count: number; atOnce: number; journal: string }; reply: number[] };
  /** Begins to enqueue quick tasks at a steady rate, and resolves at once. */
  beginLoad: { argument: { perSecond: number; journal: string }; reply: void };
  /** Ends it. */
  endLoad: { argument: void; reply: Offered };
  /** Loads the module anew without a pause. */
  reload: { argument: void; reply: void };
  /** Of a consumer. */
  holdings: { argument: void; reply: Holdings };
}
