/** The handle of an invocation: reads its result, waits for it, keeps it from starting. */
import { durationMs, type DurationInput } from '../runtime/clock.js';
import { ResultGone, ResultsDisabled, ResultTimeout } from '../runtime/errors.js';
import { Callable } from './callable.js';
import type { Client } from './client.js';
import { markFrom, type RevokeOptions } from './marks.js';
import { booleanOption, checkKeys } from './option-check.js';
import { readOutcome, type Outcome } from './outcome.js';

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

  /** Forgets the value that this handle keeps. */
  reset(): void;
}

export function makeResult<T>(client: Client, id: string, taskName?: string): Result<T> {
  return new ResultHandle(client, id, taskName) as unknown as Result<T>;
}

const GET_KEYS = ['blocking', 'timeout', 'preserve', 'revokeOnTimeout'] as const satisfies (keyof GetOptions)[];

/** There may be a million of these: nothing is made before it is needed. */
class ResultHandle extends Callable {
  readonly #client: Client;
  readonly #id: string;
  readonly #taskName: string | undefined;
  #outcome: Outcome | undefined;

  constructor(client: Client, id: string, taskName: string | undefined) {
    super((options?: GetOptions) => this.get(options));
    this.#client = client;
    this.#id = id;
    this.#taskName = taskName;
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

  reset(): void {
    this.#outcome = undefined;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Result <${this.#taskName === undefined ? '' : `${this.#taskName} `}${this.#id}>`;
  }

  async #look(preserve: boolean): Promise<Outcome | undefined> {
    const waiter = await this.#client.waiter();
    const record = await waiter.look(this.#id);
    return record === undefined ? undefined : this.#keep(readOutcome(this.#id, record), preserve);
  }

  async #wait(options: GetOptions, preserve: boolean): Promise<Outcome> {
    const { timeout, revokeOnTimeout } = options;
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, 'timeout');
    const revokes = revokeOnTimeout !== undefined && booleanOption(revokeOnTimeout, 'revokeOnTimeout');
    const waiter = await this.#client.waiter();
    try {
      return await this.#keep(readOutcome(this.#id, await waiter.wait(this.#id, timeoutMs)), preserve);
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
