/** The handle of an invocation: reads its result, waits for it, keeps it from starting, stops it. */
import { durationMs, type DurationInput } from '../runtime/clock.js';
import type { ResultRecord } from '../runtime/completion.js';
import { HueyException, ResultGone, ResultsDisabled, ResultTimeout } from '../runtime/errors.js';
import { decodeText } from '../runtime/serializer.js';
import { itemInPlaceOf, type CallOrigin } from './assembly.js';
import { Callable } from './callable.js';
import type { Client } from './client.js';
import { markFrom, type RevokeOptions } from './marks.js';
import { booleanOption, checkKeys } from './option-check.js';
import { readIntermediateError, readOutcome, type Outcome } from './outcome.js';
import type { CallOptions } from './task-options.js';

export interface GetOptions {
  /** Wait for the end of the task. Default false. */
  blocking?: boolean;
  /** Seconds or a luxon Duration to wait at most. Default: as long as it takes. */
  timeout?: DurationInput;
  /** Leave the value in the storage for other readers. Default false. */
  preserve?: boolean;
  /** Revoke the task before ResultTimeout is thrown. Default false. */
  revokeOnTimeout?: boolean;
}

/** Options of the new call, and what becomes of the stages behind it. */
export type RescheduleOptions = CallOptions & {
  /** Default true. */
  preservePipeline?: boolean;
};

export type BlockingGetOptions = GetOptions & { blocking: true };

/** What can be read: null is not stored (unless `storeNone` is on) and comes back as undefined. */
export type Stored<T> = null extends T ? T | undefined : T;

/**
 * The handle that a call gives. It has no `then`: awaiting the call gives the handle, awaiting `get` the value.
 * Calling it is `get`, as in Huey: `await res({ blocking: true })`.
 */
export interface Result<T> {
  (options: BlockingGetOptions): Promise<Stored<T>>;
  (options?: GetOptions): Promise<Stored<T> | undefined>;

  /** The id of the invocation. */
  readonly id: string;

  /**
   * The value. It is taken out of the storage and kept in this handle, unless `preserve` is given. Not blocking: undefined
   * while there is none. Blocking: waits for the final state.
   * @throws TaskException (TaskTimeout, TaskLocked, RateLimitExceeded), TaskCanceled, TaskRevoked, TaskExpired, TaskDead
   * by how the task ended; ResultTimeout; ResultGone where another handle took it; ResultsDisabled.
   */
  get(options: BlockingGetOptions): Promise<Stored<T>>;
  get(options?: GetOptions): Promise<Stored<T> | undefined>;

  /** True once the task has ended, whatever it returned. Takes nothing. */
  isReady(): Promise<boolean>;

  /** Keeps it from starting; once, unless `revokeOnce: false`. Does nothing to a task that runs. Huey: `revoke`. */
  revoke(options?: RevokeOptions): Promise<void>;
  /** Removes the mark of this invocation; true where there was one. */
  restore(): Promise<boolean>;
  /** Whether this invocation or its whole task is revoked. Only looks. */
  isRevoked(): Promise<boolean>;

  /**
   * Stops it, in whichever process it runs: its AbortSignal fires and `checkTimeout` throws; when the grace of its timeout
   * is over (option `grace`, 5 s by default) its thread is ended, whatever it does. What waits or is scheduled ends at once.
   * It ends as canceled, whatever it returns or throws meanwhile, without a retry; who waits gets TaskCanceled, later
   * stages end as canceled, a chord goes on with null in its place. True where it will end so; false where it had
   * ended, or nobody knows it, such as a later stage that was not enqueued yet (revoke that). Not in Huey.
   */
  cancel(): Promise<boolean>;

  /**
   * Enqueues the same call again, with a new id and these options in place of its own, and revokes this one, in one
   * step. Without delay and eta it is due at once. The stages behind it come along, under new ids, unless
   * `preservePipeline` is false. Gives the new handle; this one ends as revoked, if it has not started. Huey: `reschedule`.
   * @throws HueyException ('no-call') for a handle that was made from an id, of a later stage, or of a chord.
   */
  reschedule(options?: RescheduleOptions): Promise<Result<T>>;

  /** What the task last reported with `currentTask().progress(value)`; undefined where it did not. */
  progress(): Promise<unknown>;
  /** The last lines that the task wrote with `currentTask().log(line)`. */
  log(): Promise<string[]>;

  /** Forgets the value that this handle keeps. */
  reset(): void;
}

/** `origin`: the call as it was made, where it can be made again. */
export function makeResult<T>(client: Client, id: string, taskName?: string, origin?: CallOrigin): Result<T> {
  return new ResultHandle(client, id, taskName, origin) as unknown as Result<T>;
}

const GET_KEYS = ['blocking', 'timeout', 'preserve', 'revokeOnTimeout'] as const satisfies (keyof GetOptions)[];

/** There may be a million of these: nothing is made before it is needed. */
class ResultHandle extends Callable {
  readonly #client: Client;
  readonly #id: string;
  readonly #taskName: string | undefined;
  readonly #origin: CallOrigin | undefined;
  #outcome: Outcome | undefined;

  constructor(client: Client, id: string, taskName: string | undefined, origin: CallOrigin | undefined) {
    super((options?: GetOptions) => this.get(options));
    this.#client = client;
    this.#id = id;
    this.#taskName = taskName;
    this.#origin = origin;
  }

  get id(): string {
    return this.#id;
  }

  async get(options: GetOptions = {}): Promise<unknown> {
    checkKeys(options, GET_KEYS, 'get');
    if (!this.#client.settings.results) throw new ResultsDisabled();
    const preserve = options.preserve !== undefined && booleanOption(options.preserve, 'preserve');
    const blocking = options.blocking !== undefined && booleanOption(options.blocking, 'blocking');
    const outcome = this.#outcome ?? (await (blocking ? this.#wait(options, preserve) : this.#look(preserve)));
    switch (outcome?.kind) {
      case undefined:
        return undefined;
      case 'value':
        return outcome.value;
      case 'error':
        throw outcome.error;
      case 'gone':
        if (blocking) throw new ResultGone(this.#id);
        return undefined;
    }
  }

  async isReady(): Promise<boolean> {
    if (this.#outcome !== undefined) return true;
    const waiter = await this.#client.waiter();
    return (await waiter.look(this.#id)) !== undefined;
  }

  async revoke(options: RevokeOptions = {}): Promise<void> {
    await this.#client.revoke({ id: this.#id }, markFrom(options, true));
  }

  restore(): Promise<boolean> {
    return this.#client.restore({ id: this.#id });
  }

  async isRevoked(): Promise<boolean> {
    if (await this.#client.isRevoked({ id: this.#id })) return true;
    return this.#taskName !== undefined && this.#client.isRevoked({ task: this.#taskName });
  }

  cancel(): Promise<boolean> {
    return this.#client.cancel(this.#id);
  }

  async reschedule(options: RescheduleOptions = {}): Promise<Result<unknown>> {
    const { preservePipeline, ...rest } = options;
    const origin = this.#origin;
    if (origin === undefined) {
      throw new HueyException(
        `task ${this.#id} cannot be rescheduled by this handle: only the one that its own call gave knows the arguments`,
        'no-call',
      );
    }
    const keepsLater = preservePipeline === undefined || booleanOption(preservePipeline, 'preservePipeline');
    const plan = origin.plan.again(rest);
    const next = { ...origin, plan, ...(keepsLater ? {} : { later: [] }) };
    const item = itemInPlaceOf(this.#id, next);
    await this.#client.send(item);
    return makeResult(this.#client, item.id, plan.taskName, next);
  }

  async progress(): Promise<unknown> {
    const text = await this.#client.call((storage) => storage.readNote(this.#id, 'progress'));
    return text === undefined ? undefined : this.#client.codec.decodeValue(text);
  }

  async log(): Promise<string[]> {
    const text = await this.#client.call((storage) => storage.readNote(this.#id, 'log'));
    const lines: unknown = text === undefined ? [] : decodeText(text);
    return Array.isArray(lines) ? lines.map(String) : [];
  }

  reset(): void {
    this.#outcome = undefined;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Result <${this.#taskName === undefined ? '' : `${this.#taskName} `}${this.#id}>`;
  }

  async #look(preserve: boolean): Promise<Outcome | undefined> {
    const waiter = await this.#client.waiter();
    const record = await waiter.look(this.#id);
    if (record !== undefined) return this.#keep(this.#read(record), preserve);
    if (this.#client.settings.storeIntermediateErrors !== true) return undefined;
    const note = await this.#client.call((storage) => storage.readNote(this.#id, 'error'));
    // Not kept: the task goes on.
    return note === undefined ? undefined : { kind: 'error', error: readIntermediateError(this.#id, note), stored: false };
  }

  #read(record: ResultRecord): Outcome {
    return readOutcome(this.#id, record, this.#client.codec);
  }

  async #wait(options: GetOptions, preserve: boolean): Promise<Outcome> {
    const { timeout, revokeOnTimeout } = options;
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, 'timeout');
    const revokes = revokeOnTimeout !== undefined && booleanOption(revokeOnTimeout, 'revokeOnTimeout');
    const waiter = await this.#client.waiter();
    try {
      return await this.#keep(this.#read(await waiter.wait(this.#id, timeoutMs)), preserve);
    } catch (error) {
      if (revokes && error instanceof ResultTimeout) await this.revoke();
      throw error;
    }
  }

  /** The value has arrived: only now it may go from the storage. */
  async #keep(outcome: Outcome, preserve: boolean): Promise<Outcome> {
    if (outcome.kind === 'gone') return outcome;
    this.#outcome = outcome;
    if (outcome.stored && !preserve) (await this.#client.waiter()).remove(this.#id);
    return outcome;
  }
}
