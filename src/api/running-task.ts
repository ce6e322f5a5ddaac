/** What `currentTask()` gives while a consumer runs a task. Made for every run, so it holds only what was there anyway. */
import { TaskCanceled, TaskTimeout } from '../runtime/errors.js';
import { runOf, type Body, type Head } from '../runtime/message.js';
import { taskAccounts, type RunFigures, type TaskAccounts } from '../runtime/run-accounts.js';
import type { SignalTask } from '../runtime/signals.js';
import { OWNER, RUN, type CurrentTask, type RunInfo } from './context.js';
import { RunNotes, type NoteSink } from './run-notes.js';

/** What stands behind one run: whoever has it run. */
export interface RunOwner {
  /** Whether the supervisor has stopped it. */
  stopped(): boolean;
  /** Whether it was stopped because it was canceled, and not for its timeout. */
  canceled(): boolean;
  /** Registers what fires on a stop; only where the task asks for its signal. */
  onAbort(abort: () => void): void;
  /** A promise that rejects where the run failed outside of any promise; asked for where the task gave one to wait for. */
  failure(): Promise<never>;
  /** Set by the runner: when it could have started, ms since 1970 by the storage's clock; undefined where nobody knows. */
  dueAt?: number | undefined;
  /** Others may run in the thread beside it. */
  readonly shared?: boolean;
}

/** What is the same for every task that a runner runs. */
export interface RunSurroundings {
  readonly queue: string;
  /** Whose leases the tasks are; '' in a worker thread, where the supervisor fills it in. */
  readonly consumer: string;
  /** Keeps notes of a run. */
  noteSink(head: Head, body: Body): NoteSink;
}

export class RunningTask implements CurrentTask {
  readonly #head: Head;
  readonly #body: Body;
  readonly #owner: RunOwner;
  readonly #surroundings: RunSurroundings;
  /** Ms since 1970; only of one with a timeout. */
  readonly #startedAt: number;
  #controller: AbortController | undefined;
  #notes: RunNotes | undefined;

  constructor(head: Head, body: Body, owner: RunOwner, surroundings: RunSurroundings) {
    this.#head = head;
    this.#body = body;
    this.#owner = owner;
    this.#surroundings = surroundings;
    this.#startedAt = head.timeoutMs === 0 ? 0 : performance.timeOrigin + performance.now();
  }

  get id(): string {
    return this.#head.id;
  }

  get name(): string {
    return this.#head.name;
  }

  get attempt(): number {
    return this.#head.attempts + this.#head.lapses + 1;
  }

  get retries(): number {
    return this.#head.retries;
  }

  get meta(): Record<string, unknown> {
    return this.#body.meta ?? {};
  }

  get deadline(): Date | undefined {
    return this.#head.timeoutMs === 0 ? undefined : new Date(this.#startedAt + this.#head.timeoutMs);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#owner.stopped()) controller.abort(this.#stopError());
      else this.#owner.onAbort(() => controller.abort(this.#stopError()));
    }
    return this.#controller.signal;
  }

  // The three that are called are functions of their own: they may be taken apart from the task.
  get checkTimeout(): () => void {
    return () => {
      if (this.#owner.stopped()) throw this.#stopError();
    };
  }

  get progress(): (value: unknown) => void {
    return (value) => this.#noted().progress(value);
  }

  get log(): (...args: unknown[]) => void {
    return (...args) => this.#noted().log(args);
  }

  get [RUN](): RunInfo {
    const { queue, consumer } = this.#surroundings;
    return { queue, consumer, id: this.#head.id, run: runOf(this.#head), retries: this.#head.retries };
  }

  get [OWNER](): RunOwner {
    return this.#owner;
  }

  /** As hooks and handlers of signals see it. */
  forHooks(): SignalTask {
    return { id: this.id, name: this.name, args: this.#body.args, meta: this.meta };
  }

  accounts(figures: RunFigures): TaskAccounts {
    return taskAccounts(figures, this.#head);
  }

  /** Gives the outcome once the last notes are out; a promise only where the task made some. */
  ended<O>(outcome: O): O | Promise<O> {
    return this.#notes === undefined ? outcome : this.#notes.end().then(() => outcome);
  }

  #noted(): RunNotes {
    return (this.#notes ??= new RunNotes(this.#surroundings.noteSink(this.#head, this.#body)));
  }

  #stopError(): Error {
    const { id, name, retries } = this.#head;
    if (this.#owner.canceled()) return new TaskCanceled(id);
    return new TaskTimeout({ error: `task ${name} was stopped`, retries, taskId: id, willRetry: retries > 0 });
  }
}
