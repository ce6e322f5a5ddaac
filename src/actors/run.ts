/**
 * One run of a task as its thread knows it. It outlives its end wherever the task left something behind (a timer, a
 * listener), and is how such a thing is told from what still runs.
 */
import type { RunOwner } from '../api/running-task.js';
import type { LaneMemory } from './lane-memory.js';

export class Run implements RunOwner {
  readonly memory: LaneMemory;
  /** Its place in the chunk. */
  readonly slot: number;
  /** Others may run in the thread beside it. */
  readonly shared: boolean;
  dueAt: number | undefined;
  #over = false;
  #wasStopped = false;
  #wasCanceled = false;
  #abort: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(memory: LaneMemory, slot: number, shared = false) {
    this.memory = memory;
    this.slot = slot;
    this.shared = shared;
  }

  /** After its end the slot may be another's. */
  stopped(): boolean {
    return this.#over ? this.#wasStopped : this.memory.stopping(this.slot);
  }

  canceled(): boolean {
    return this.#over ? this.#wasCanceled : this.memory.canceled(this.slot);
  }

  onAbort(abort: () => void): void {
    this.#abort = abort;
  }

  /** One for each run that is waited for: a promise that outlived them would keep every one of them. */
  failure(): Promise<never> {
    return new Promise((_, reject) => {
      this.#fail = reject;
    });
  }

  /** The supervisor has stopped it. */
  abort(): void {
    if (!this.#over && this.stopped()) this.#abort?.();
  }

  /** An error that reached no promise of it. False where nothing waits for it any more. */
  fail(error: unknown): boolean {
    if (this.#over || this.#fail === undefined) return false;
    this.#fail(error);
    return true;
  }

  end(): void {
    this.#wasStopped = this.stopped();
    this.#wasCanceled = this.#wasStopped && this.canceled();
    this.#over = true;
    this.#abort = undefined;
    this.#fail = undefined;
  }
}
