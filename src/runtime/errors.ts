/**
 * Every error that the runtime throws on purpose. Each has a stable `code`, says what failed and what to do next.
 * Errors of waiting and of ended tasks keep the names that Huey gives them (TaskException, ResultTimeout, ...).
 */

import type { DateInput, DurationInput } from './clock.js';

export class HueyException extends Error {
  /** A stable word for programs. */
  readonly code: string;

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A call or a declaration that can never work: wrong option, wrong name, wrong argument. */
export class ConfigurationError extends HueyException {
  constructor(message: string, code = 'configuration', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/** A value that cannot be encoded, or that is over a limit. */
export class PayloadError extends HueyException {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'payload', options);
  }
}

/** Bytes in the storage that are not a message of a version that this runtime knows. */
export class MalformedMessage extends HueyException {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'malformed', options);
  }
}

/** The storage cannot be reached, or did not answer in time. Where `outcomeUnknown` is true the call may have been carried out. */
export class StorageUnavailable extends HueyException {
  readonly outcomeUnknown: boolean;

  constructor(message: string, options?: ErrorOptions & { outcomeUnknown?: boolean }) {
    super(message, 'storage-unavailable', options);
    this.outcomeUnknown = options?.outcomeUnknown ?? false;
  }
}

/** The storage answered, and refuses: wrong password, no permission, a key of another type, a newer layout. Trying again does not help. */
export class StorageRefused extends HueyException {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'storage-refused', options);
  }
}

/** The server is out of memory (`noeviction`): nothing was stored. */
export class StorageFull extends HueyException {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'storage-full', options);
  }
}

/** This consumer was taken for dead: its lease ended and its tasks were given back. It must start anew under another id. */
export class ConsumerReaped extends HueyException {
  constructor(consumer: string) {
    super(`consumer ${consumer} is not registered: its lease ended and its tasks were given back`, 'reaped');
  }
}

/**
 * Another consumer was started under the name of this instance. The newer one keeps the name: it is what was started on
 * purpose, and a consumer that took the name back would be thrown out by the other one in turn, and so on for ever.
 */
export class InstanceTaken extends HueyException {
  readonly instance: string;

  constructor(instance: string) {
    super(
      `another consumer was started as instance ${JSON.stringify(instance)}, and this one gives way; give each consumer a name of its own`,
      'instance-taken',
    );
    this.instance = instance;
  }
}

/** `enqueue` did not get an answer within its bounded wait. `ids` can be enqueued again safely: no second task is made of them. */
export class EnqueueFailed extends HueyException {
  readonly ids: readonly string[];
  /** True where the tasks may have been stored; false where they surely were not. */
  readonly outcomeUnknown: boolean;

  constructor(message: string, ids: readonly string[], outcomeUnknown: boolean, options?: ErrorOptions) {
    super(message, outcomeUnknown ? 'enqueue-unknown' : 'enqueue-failed', options);
    this.ids = ids;
    this.outcomeUnknown = outcomeUnknown;
  }

  /** The id of the (first) task. */
  get id(): string | undefined {
    return this.ids[0];
  }
}

/** The call was not made: another with its unique key waits or runs, and the task says `onConflict: 'reject'`. */
export class UniqueConflict extends HueyException {
  /** The invocation that has the key. */
  readonly existingId: string;

  constructor(name: string, existingId: string) {
    super(`the call of ${name} was not made: task ${existingId} has its unique key`, 'unique');
    this.existingId = existingId;
  }
}

/** What is known of the failure of a task. */
export interface TaskErrorMetadata {
  /** Name and message, as in `TypeError: x is not a function`. */
  error: string;
  /** Retries that were left. */
  retries: number;
  traceback?: string;
  taskId: string;
  willRetry: boolean;
}

/** The task failed. Huey: `TaskException`, raised by `get` with the metadata of the failure. */
export class TaskException extends HueyException {
  readonly metadata: TaskErrorMetadata;

  constructor(metadata: TaskErrorMetadata, code = 'error') {
    super(metadata.error, code);
    this.metadata = metadata;
  }
}

export class TaskTimeout extends TaskException {
  constructor(metadata: TaskErrorMetadata) {
    super(metadata, 'timeout');
  }
}

export class TaskLocked extends TaskException {
  constructor(metadata: TaskErrorMetadata) {
    super(metadata, 'locked');
  }
}

export class RateLimitExceeded extends TaskException {
  constructor(metadata: TaskErrorMetadata) {
    super(metadata, 'rate-limited');
  }
}

/** A lock was asked for and is held by somebody else. A task that lets it through ends as locked, or is retried. */
export class LockUnavailable extends TaskLocked {
  readonly lock: string;

  constructor(lock: string, metadata: Omit<TaskErrorMetadata, 'error'>) {
    super({ ...metadata, error: `the lock ${JSON.stringify(lock)} is held by another run; try again later` });
    this.lock = lock;
  }
}

/** A call over the limit. A task that lets it through ends as rate-limited, or is retried when the window has ended. */
export class RateLimitReached extends RateLimitExceeded {
  readonly limit: string;
  /** Until the window ends. */
  readonly resetMs: number;
  /** Retried without spending a retry. */
  readonly retry: boolean;

  constructor(limit: string, resetMs: number, retry: boolean, metadata: Omit<TaskErrorMetadata, 'error'>) {
    super({ ...metadata, error: `the rate limit ${JSON.stringify(limit)} is reached; its window ends in ${resetMs / 1000} s` });
    this.limit = limit;
    this.resetMs = resetMs;
    this.retry = retry;
  }
}

export class TaskCanceled extends HueyException {
  readonly taskId: string;

  constructor(taskId: string, reason?: string) {
    super(`task ${taskId} was canceled${reason === undefined ? '' : `: ${reason}`}`, 'canceled');
    this.taskId = taskId;
  }
}

export class TaskRevoked extends HueyException {
  readonly taskId: string;

  constructor(taskId: string) {
    super(`task ${taskId} was revoked before it started`, 'revoked');
    this.taskId = taskId;
  }
}

export class TaskExpired extends HueyException {
  readonly taskId: string;

  constructor(taskId: string) {
    super(`task ${taskId} expired before it started`, 'expired');
    this.taskId = taskId;
  }
}

export class TaskDead extends HueyException {
  readonly taskId: string;

  constructor(taskId: string, reason: string) {
    super(`task ${taskId} was put aside as dead: ${reason}`, 'dead');
    this.taskId = taskId;
  }
}

/** The wait for a result ended before the task did. */
export class ResultTimeout extends HueyException {
  readonly taskId: string;

  constructor(taskId: string, timeoutMs: number) {
    super(`no result of task ${taskId} within ${timeoutMs / 1000} s; the task goes on`, 'result-timeout');
    this.taskId = taskId;
  }
}

/** The result was read (and so removed) before. */
export class ResultGone extends HueyException {
  readonly taskId: string;

  constructor(taskId: string) {
    super(`the result of task ${taskId} was read before; read with { preserve: true } to keep it`, 'result-gone');
    this.taskId = taskId;
  }
}

/** This Huey keeps no results. */
export class ResultsDisabled extends HueyException {
  constructor() {
    super('results are off for this Huey ({ results: false }); there is nothing to read', 'results-disabled');
  }
}

/** Thrown by a task: run it again, whatever its retries. Huey: `RetryTask(delay=, eta=)`; the count of retries is not spent. */
export class RetryTask extends HueyException {
  readonly delay: DurationInput | undefined;
  readonly eta: DateInput | undefined;

  /** @param options.delay seconds from now, or a luxon Duration. @param options.eta a date (Date, luxon DateTime, ISO text). */
  constructor(options: { delay?: DurationInput; eta?: DateInput } = {}) {
    super('the task asked to be retried', 'retry');
    this.delay = options.delay;
    this.eta = options.eta;
  }
}

/** Thrown by a task or a hook: end without a result. Huey: `CancelExecution(retry=None|True|False)`. */
export class CancelExecution extends HueyException {
  /** undefined: retried if retries remain; true: at least once more; false: never. */
  readonly retry: boolean | undefined;

  constructor(options: { retry?: boolean; reason?: string } = {}) {
    super(options.reason ?? 'the task canceled itself', 'canceled');
    this.retry = options.retry;
  }
}
