/** A declared task: what `huey.task` gives. Calling it enqueues; its methods do so later, otherwise, or not at all. */
import { type DateInput, type DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import type { Registry, TaskDefinition } from '../runtime/registry.js';
import { isTuple, type Tuple } from '../runtime/tuple.js';
import { idsAfter, itemOf, type CallOrigin } from './assembly.js';
import { Callable } from './callable.js';
import type { Client } from './client.js';
import { keyRule, slotOf, type KeyRule } from './concurrency-key.js';
import { Envelope } from './envelope.js';
import type { Left } from './handing.js';
import { markFrom, type RevokeOptions } from './marks.js';
import { isDurationInput } from './option-check.js';
import { makeResult, type Result } from './result.js';
import { Signature, type CallPlan } from './signature.js';
import { callSettings, mergeCallOptions, withKey, type CallOptions, type ScheduleOptions } from './task-options.js';
import { uniqueRule, type UniqueRule } from './unique.js';

/** An item of `map`: the one argument, or a tuple of all. */
export type MapItem<A extends readonly unknown[]> = Tuple<A> | ([A[0]] extends A ? A[0] : never);

/** A task together with options for its calls: what `withOptions` gives. */
export interface BoundTask<A extends readonly unknown[], R> {
  /** Enqueues a call. The promise resolves when it is stored. @throws PayloadError, EnqueueFailed */
  (...args: A): Promise<Result<R>>;

  /** The call as data, for `huey.enqueue` and `huey.enqueueMany`. Huey: `s`. */
  s<const P extends A>(...args: P): Signature<R, Left<A, P>>;
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
  /** Forgets the declaration: a consumer that loads this module does not know the task. True where it was known. Huey: `unregister`. */
  unregister(): boolean;
}

/**
 * The task that a function is declared as. Not inferred through a function type: that would take the type of a parameter
 * from there, and `(a: number, b = 1)` would have a `b` of unknown type.
 */
export type TaskOf<F> = F extends (...args: infer A extends unknown[]) => infer R ? Task<A, Awaited<R>> : never;
export type ParametersOf<F> = F extends (...args: infer A extends unknown[]) => unknown ? A : never;

export interface TaskParts {
  client: Client;
  registry: Registry;
  definition: TaskDefinition;
  /** As the task was declared with. */
  unique: UniqueRule | undefined;
  keyed: KeyRule | undefined;
}

export function makeTask<A extends readonly unknown[], R>(parts: TaskParts): Task<A, R> {
  return new TaskObject(parts) as unknown as Task<A, R>;
}

class BoundTaskObject extends Callable {
  protected readonly parts: TaskParts;
  readonly #options: CallOptions;
  readonly #plan: CallPlan;

  constructor(parts: TaskParts, options: CallOptions = {}) {
    super((...args: unknown[]) => this.#call(args));
    this.parts = parts;
    this.#options = options;
    this.#plan = planOf(parts, options);
    Object.defineProperty(this, 'name', { value: parts.definition.name, configurable: true });
  }

  s(...args: unknown[]): Signature {
    return new Signature(this.#plan, args);
  }

  async map(items: Iterable<unknown>): Promise<Result<unknown>[]> {
    const plan = this.#plan;
    const argsOf = Array.from(items, (item): readonly unknown[] => (isTuple(item) ? item : [item]));
    if (plan.id !== undefined && argsOf.length > 1)
      throw new ConfigurationError(`map of ${plan.taskName}: several calls cannot have one id`, 'bad-option');
    const calls = argsOf.map((args) => itemOf(plan, args));
    const conflicts = await plan.client.sendMany(calls);
    const ids = idsAfter(
      conflicts,
      calls.map(({ id }) => ({ id, plan })),
    );
    return ids.map((id, i) => makeResult(plan.client, id, plan.taskName, originOf(plan, argsOf[i] ?? [], id === calls[i]?.id)));
  }

  async schedule(what: (CallOptions & { args?: readonly unknown[] }) | DurationInput | DateInput): Promise<Result<unknown>> {
    if (isDurationInput(what)) return this.withOptions({ delay: what }).#call([]);
    if (isDate(what)) return this.withOptions({ eta: what }).#call([]);
    if (typeof what !== 'object' || what === null) {
      throw new ConfigurationError(
        `schedule of ${this.#plan.taskName} takes { args, delay or eta, ... }, seconds, or a date`,
        'bad-option',
      );
    }
    const { args = [], ...options } = what;
    if (!Array.isArray(args)) throw new ConfigurationError(`schedule of ${this.#plan.taskName}: args must be a list`, 'bad-option');
    if ((options.delay === undefined) === (options.eta === undefined)) {
      throw new ConfigurationError(`schedule of ${this.#plan.taskName} needs either delay or eta`, 'bad-option');
    }
    return this.withOptions(options).#call(args as readonly unknown[]);
  }

  withOptions(options: CallOptions): BoundTaskObject {
    return new BoundTaskObject(this.parts, mergeCallOptions(this.#options, options, `a call of ${this.#plan.taskName}`));
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Task <${this.#plan.taskName}>`;
  }

  async #call(args: readonly unknown[]): Promise<Result<unknown>> {
    const plan = this.#plan;
    const item = itemOf(plan, args);
    const conflicts = await plan.client.send(item);
    if (conflicts.length === 0) return makeResult(plan.client, item.id, plan.taskName, { plan, args });
    const [id = item.id] = idsAfter(conflicts, [{ id: item.id, plan }]);
    return makeResult(plan.client, id, plan.taskName);
  }
}

class TaskObject extends BoundTaskObject {
  get taskName(): string {
    return this.parts.definition.name;
  }

  // Async: an error of the function is a rejection, as it is from the queue.
  async callLocal(...args: unknown[]): Promise<unknown> {
    return this.parts.definition.fn(...args);
  }

  async revoke(options: RevokeOptions = {}): Promise<void> {
    await this.parts.client.revoke({ task: this.taskName }, markFrom(options, false));
  }

  restore(): Promise<boolean> {
    return this.parts.client.restore({ task: this.taskName });
  }

  isRevoked(): Promise<boolean> {
    return this.parts.client.isRevoked({ task: this.taskName });
  }

  unregister(): boolean {
    const { registry, definition } = this.parts;
    return registry.get(definition.name) === definition && registry.delete(definition.name);
  }
}

/** Everything that is the same in each call. @throws ConfigurationError, PayloadError */
function planOf(parts: TaskParts, options: CallOptions): CallPlan {
  const { client, definition } = parts;
  const { name, settings: base, periodic } = definition;
  const what = `a call of ${name}`;
  const { settings, id, meta, when } = callSettings(options, base, what);
  // What a periodic task returns is discarded, as in Huey.
  const keyed = keyRule(options, parts.keyed, what);
  const extras = {
    ...(meta === undefined ? {} : { meta }),
    ...(periodic === undefined ? {} : { discardResult: true }),
    ...(typeof keyed?.key === 'function' ? { slotOf: (args: readonly unknown[]) => slotOf(keyed, args, what) } : {}),
  };
  return {
    client,
    taskName: name,
    envelope: new Envelope(name, withKey(settings, keyed, what), extras, client.codec),
    id,
    when,
    unique: options.unique === undefined ? parts.unique : uniqueRule(options.unique, what),
    again: (more) => {
      // Another call has another id, and is due when it says.
      const { id: _id, delay: _delay, eta: _eta, ...rest } = options;
      return planOf(parts, mergeCallOptions(rest, more, what));
    },
  };
}

/** Undefined where somebody else's call stands for it. */
function originOf(plan: CallPlan, args: readonly unknown[], isOwn: boolean): CallOrigin | undefined {
  return isOwn ? { plan, args } : undefined;
}

function isDate(value: unknown): value is DateInput {
  return typeof value === 'string' || value instanceof Date || (typeof value === 'object' && value !== null && 'toJSDate' in value);
}
