/** A call that has not been made yet: a task, its arguments and options. Made by `task.s(...)`; immutable. */
import { ConfigurationError } from '../runtime/errors.js';
import type { Client } from './client.js';
import type { Envelope } from './envelope.js';
import type { Follows, HandlerArgs, StageArgs } from './handing.js';
import { Pipeline } from './pipeline.js';
import type { BoundTask } from './task.js';
import type { CallOptions } from './task-options.js';
import type { UniqueRule } from './unique.js';

/** What a signature needs of its task. */
export interface CallPlan {
  readonly client: Client;
  readonly taskName: string;
  readonly envelope: Envelope;
  /** Undefined: a new one each time it is enqueued. */
  readonly id: string | undefined;
  readonly when: { readonly delayMs?: number; readonly etaMs?: number };
  readonly unique: UniqueRule | undefined;
  /** The same call once more, with these options in place of its own. @throws ConfigurationError */
  again(options: CallOptions): CallPlan;
}

/** `R`: what the result is. `Left`: the parameters that have no argument yet. */
export class Signature<R = unknown, Left extends readonly unknown[] = readonly unknown[]> {
  readonly args: readonly unknown[];
  readonly #plan: CallPlan;
  readonly #handler: Signature | undefined;
  /** For the type checker alone. */
  declare readonly resultType?: R;
  declare readonly leftType?: Left;

  constructor(plan: CallPlan, args: readonly unknown[], handler?: Signature) {
    this.#plan = plan;
    this.#handler = handler;
    this.args = Object.freeze([...args]);
  }

  get taskName(): string {
    return this.#plan.taskName;
  }

  /**
   * A pipeline: when this one is done, the task is called with these arguments and what this one returned. Nothing is
   * added for undefined and null, each element for a `tuple`; a plain object is merged into a trailing plain object;
   * anything else is one argument. It is added behind the given arguments, but before a trailing plain object.
   * Huey: `then`, which is no name for a method here: an object that has one is run by `await`.
   */
  pipe<T, A extends readonly unknown[], S>(this: Signature<T>, task: BoundTask<A, S>, ...args: StageArgs<A, T>): Pipeline<[T, S]>;
  pipe<T, S, L extends readonly unknown[]>(this: Signature<T>, signature: Signature<S, L> & Follows<L, T>): Pipeline<[T, S]>;
  pipe(target: unknown, ...args: unknown[]): Pipeline<unknown[]> {
    return new Pipeline([this, signatureFrom(target, args, 'pipe')]);
  }

  /**
   * When this one has failed for good, the handler is called with these arguments and the error, an Error with name and
   * message, as the last one. A second handler is for errors of the first. Huey: `error`.
   */
  error<A extends readonly unknown[], S>(handler: BoundTask<A, S>, ...args: HandlerArgs<A>): Signature<R, Left>;
  error(handler: Signature): Signature<R, Left>;
  error(target: unknown, ...args: unknown[]): Signature<R, Left> {
    const handler = signatureFrom(target, args, 'error');
    return new Signature(this.#plan, this.args, this.#handler === undefined ? handler : this.#handler.error(handler));
  }

  /** How it is to be enqueued; for the Huey that it belongs to. */
  static planOf(signature: Signature): CallPlan {
    return signature.#plan;
  }

  static handlerOf(signature: Signature): Signature | undefined {
    return signature.#handler;
  }
}

export function isSignature(value: unknown): value is Signature {
  return value instanceof Signature;
}

/** From what `pipe`, `error` and `chord` take: a task and arguments, or a signature. @throws ConfigurationError */
export function signatureFrom(target: unknown, args: readonly unknown[], what: string): Signature {
  if (isSignature(target)) {
    if (args.length > 0) throw new ConfigurationError(`${what}: a signature has its arguments already`, 'bad-signature');
    return target;
  }
  if (typeof target === 'function' && typeof (target as { s?: unknown }).s === 'function') {
    const made = (target as unknown as { s(...all: readonly unknown[]): unknown }).s(...args);
    if (isSignature(made)) return made;
  }
  throw new ConfigurationError(`${what} takes a task and its arguments, or what task.s(...) gives`, 'bad-signature');
}
