/** A declared task: what `huey.task` gives. Calling it enqueues; its methods do so later, otherwise, or not at all. */
import { type DateInput, type DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import type { TaskDefinition } from '../runtime/registry.js';
import { isTuple, type Tuple } from '../runtime/tuple.js';
import { Callable } from './callable.js';
import type { Client } from './client.js';
import { Envelope } from './envelope.js';
import { markFrom, type RevokeOptions } from './marks.js';
import { isDurationInput } from './option-check.js';
import { makeResult, type Result } from './result.js';
import { itemOf, Signature, type CallPlan } from './signature.js';
import { callSettings, mergeCallOptions, type CallOptions, type ScheduleOptions } from './task-options.js';

/** An item of `map`: the one argument, or a tuple of all. */
export type MapItem<A extends readonly unknown[]> = Tuple<A> | ([A[0]] extends A ? A[0] : never);

/** A task together with options for its calls: what `withOptions` gives. */
export interface BoundTask<A extends readonly unknown[], R> {
  /** Enqueues a call. The promise resolves when it is stored. @throws PayloadError, EnqueueFailed */
  (...args: A): Promise<Result<R>>;

  /** The call as data, for `huey.enqueue` and `huey.enqueueMany`. Huey: `s`. */
  s(...args: A): Signature<R>;
  /** One call for each item, in one bulk write. Huey: `map`. */
  map(items: Iterable<MapItem<A>>): Promise<Result<R>[]>;
  /** Enqueues a call that starts later, see ScheduleOptions. Huey: `schedule`. */
  schedule(options: ScheduleOptions<A>): Promise<Result<R>>;
  /** Without arguments: after so many seconds (or a luxon Duration), or at this date. */
  schedule(when: [] extends A ? DurationInput | DateInput : never): Promise<Result<R>>;
  /** The task with options for the calls that are made through it; given twice, the later ones win. */
  withOptions(options: CallOptions): BoundTask<A, R>;
}

export interface Task<A extends readonly unknown[], R> extends BoundTask<A, R> {
  readonly taskName: string;
  /** Runs the function right here, without the queue. Huey: `call_local`. */
  callLocal(...args: A): Promise<R>;
  /** Keeps every call of this task from starting, until restored unless the options say otherwise. Huey: `revoke`. */
  revoke(options?: RevokeOptions): Promise<void>;
  /** Removes the mark; true where there was one. */
  restore(): Promise<boolean>;
  /** Only looks. */
  isRevoked(): Promise<boolean>;
}

export function makeTask<A extends readonly unknown[], R>(client: Client, definition: TaskDefinition): Task<A, R> {
  return new TaskObject(client, definition) as unknown as Task<A, R>;
}

class BoundTaskObject extends Callable {
  protected readonly client: Client;
  protected readonly definition: TaskDefinition;
  readonly #options: CallOptions;
  readonly #plan: CallPlan;

  constructor(client: Client, definition: TaskDefinition, options: CallOptions = {}) {
    super((...args: unknown[]) => this.#call(args));
    this.client = client;
    this.definition = definition;
    this.#options = options;
    this.#plan = planOf(client, definition, options);
    Object.defineProperty(this, 'name', { value: definition.name, configurable: true });
  }

  s(...args: unknown[]): Signature {
    return new Signature(this.#plan, args);
  }

  async map(items: Iterable<unknown>): Promise<Result<unknown>[]> {
    const plan = this.#plan;
    const calls = Array.from(items, (item) => itemOf(plan, isTuple(item) ? item : [item]));
    if (plan.id !== undefined && calls.length > 1)
      throw new ConfigurationError(`map of ${plan.taskName}: several calls cannot have one id`, 'bad-option');
    await this.client.sendMany(calls);
    return calls.map(({ id }) => makeResult(this.client, id, plan.taskName));
  }

  async schedule(what: (CallOptions & { args?: readonly unknown[] }) | DurationInput | DateInput): Promise<Result<unknown>> {
    if (isDurationInput(what)) return this.withOptions({ delay: what }).#call([]);
    if (isDate(what)) return this.withOptions({ eta: what }).#call([]);
    if (typeof what !== 'object' || what === null) {
      throw new ConfigurationError(
        `schedule of ${this.definition.name} takes { args, delay or eta, ... }, seconds, or a date`,
        'bad-option',
      );
    }
    const { args = [], ...options } = what;
    if (!Array.isArray(args)) throw new ConfigurationError(`schedule of ${this.definition.name}: args must be a list`, 'bad-option');
    if ((options.delay === undefined) === (options.eta === undefined)) {
      throw new ConfigurationError(`schedule of ${this.definition.name} needs either delay or eta`, 'bad-option');
    }
    return this.withOptions(options).#call(args as readonly unknown[]);
  }

  withOptions(options: CallOptions): BoundTaskObject {
    return new BoundTaskObject(this.client, this.definition, mergeCallOptions(this.#options, options, `a call of ${this.definition.name}`));
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Task <${this.definition.name}>`;
  }

  async #call(args: readonly unknown[]): Promise<Result<unknown>> {
    const item = itemOf(this.#plan, args);
    await this.client.send(item);
    return makeResult(this.client, item.id, this.definition.name);
  }
}

class TaskObject extends BoundTaskObject {
  get taskName(): string {
    return this.definition.name;
  }

  // Async: an error of the function is a rejection, as it is from the queue.
  async callLocal(...args: unknown[]): Promise<unknown> {
    return this.definition.fn(...args);
  }

  async revoke(options: RevokeOptions = {}): Promise<void> {
    await this.client.revoke({ task: this.definition.name }, markFrom(options, false));
  }

  restore(): Promise<boolean> {
    return this.client.restore({ task: this.definition.name });
  }

  isRevoked(): Promise<boolean> {
    return this.client.isRevoked({ task: this.definition.name });
  }
}

/** Everything that is the same in each call. @throws ConfigurationError, PayloadError */
function planOf(client: Client, definition: TaskDefinition, options: CallOptions): CallPlan {
  const { name, settings: base, periodic } = definition;
  const { settings, id, meta, when } = callSettings(options, base, `a call of ${name}`);
  // What a periodic task returns is discarded, as in Huey.
  const extras = { ...(meta === undefined ? {} : { meta }), ...(periodic === undefined ? {} : { discardResult: true }) };
  return { client, taskName: name, envelope: new Envelope(name, settings, extras), id, when };
}

function isDate(value: unknown): value is DateInput {
  return typeof value === 'string' || value instanceof Date || (typeof value === 'object' && value !== null && 'toJSDate' in value);
}
