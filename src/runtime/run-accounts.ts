/** What one run took, as it is measured where it ran, and as it is told to people. */
import { SECOND_MS } from './limits.js';
import type { Body, Head, Notes } from './message.js';

/** In the runtime's own unit. Nothing that could not be had is in it. */
export interface RunFigures {
  wallMs: number;
  cpuMs?: number;
  waitMs?: number;
}

/** What a run took. Times are seconds. */
export interface TaskAccounts {
  /** From its start to its end. */
  readonly wall: number;
  /**
   * Of its thread meanwhile, on a processor. Absent where node and system do not tell (before node 23.9 anywhere but on Linux),
   * where others ran in the thread meanwhile (`concurrency`), and where the thread was ended.
   */
  readonly cpu?: number;
  /**
   * From when it could start at the earliest to its start, by the storage's clock. That is its enqueue, as the producer's clock
   * says, or the date that it was scheduled for; of a retry the end of its delay; of a run behind one that was interrupted, the
   * same as of that. Absent for what a consumer enqueued: later stages, callbacks.
   */
  readonly wait?: number;
  /** Runs so far, this one too. */
  readonly attempts: number;
}

export function taskAccounts({ wallMs, cpuMs, waitMs }: RunFigures, { attempts }: Pick<Head, 'attempts'>): TaskAccounts {
  return {
    wall: wallMs / SECOND_MS,
    ...(cpuMs === undefined ? {} : { cpu: cpuMs / SECOND_MS }),
    ...(waitMs === undefined ? {} : { wait: waitMs / SECOND_MS }),
    attempts: attempts + 1,
  };
}

/** When a run could have started at the earliest, ms since 1970; undefined where its message does not tell. */
export function dueAtOf({ attempts }: Head, { at, due, later, collect }: Body, notes: unknown): number | undefined {
  if (attempts > 0) {
    const { retryAt } = (notes ?? {}) as Notes;
    return typeof retryAt === 'number' ? retryAt : undefined;
  }
  if (later === true || collect !== undefined) return undefined;
  const dueAt = due ?? at;
  return typeof dueAt === 'number' ? dueAt : undefined;
}
