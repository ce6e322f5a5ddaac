/** Calls that run one after the other, each given what the one before returned. Made by `pipe`; immutable. */
import type { Follows, HandlerArgs, Last, StageArgs } from './handing.js';
import { signatureFrom, type Signature } from './signature.js';
import type { BoundTask } from './task.js';

/** `Rs`: what its stages return, in order. */
export class Pipeline<Rs extends readonly unknown[] = readonly unknown[]> {
  readonly stages: readonly Signature[];
  /** For the type checker alone. */
  declare readonly resultTypes?: Rs;

  constructor(stages: readonly Signature[]) {
    this.stages = Object.freeze([...stages]);
  }

  /** One more stage, see `Signature.pipe`. */
  pipe<T extends readonly unknown[], A extends readonly unknown[], S>(
    this: Pipeline<T>,
    task: BoundTask<A, S>,
    ...args: StageArgs<A, Last<T>>
  ): Pipeline<[...T, S]>;
  pipe<T extends readonly unknown[], S, L extends readonly unknown[]>(
    this: Pipeline<T>,
    signature: Signature<S, L> & Follows<L, Last<T>>,
  ): Pipeline<[...T, S]>;
  pipe(target: unknown, ...args: unknown[]): Pipeline<unknown[]> {
    return new Pipeline([...this.stages, signatureFrom(target, args, 'pipe')]);
  }

  /** A handler of errors of the first stage, see `Signature.error`; later stages have their own: `.pipe(add.s(1).error(onError))`. */
  error<A extends readonly unknown[], S>(handler: BoundTask<A, S>, ...args: HandlerArgs<A>): Pipeline<Rs>;
  error(handler: Signature): Pipeline<Rs>;
  error(target: unknown, ...args: unknown[]): Pipeline<Rs> {
    const handler = signatureFrom(target, args, 'error');
    return new Pipeline(this.stages.map((stage, i) => (i === 0 ? stage.error(handler) : stage)));
  }
}

export function isPipeline(value: unknown): value is Pipeline {
  return value instanceof Pipeline;
}
