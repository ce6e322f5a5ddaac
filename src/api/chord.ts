/**
 * Calls that run side by side, and one that is given the list of what they returned. Made by `chord(...)` or
 * `group([...]).pipe(...)`; immutable.
 */
import { ConfigurationError } from '../runtime/errors.js';
import { CHORD_MEMBERS_MAX } from '../runtime/limits.js';
import type { CallbackArgs, Follows, HandlerArgs, Last, StageArgs } from './handing.js';
import { isPipeline, Pipeline } from './pipeline.js';
import { Signature, signatureFrom } from './signature.js';
import type { BoundTask } from './task.js';

/** What can be a member of a group or a chord. */
export type Member = Signature | Pipeline | Chord;

/** What a member contributes: its value, that of a pipeline's last stage, that of what follows a chord's callback. */
export type MemberValue<M> =
  M extends Signature<infer R>
    ? R
    : M extends Pipeline<infer Rs>
      ? Last<Rs>
      : M extends Chord<readonly unknown[], infer Rs>
        ? Last<Rs>
        : never;
export type MemberValues<M extends readonly Member[]> = { -readonly [K in keyof M]: MemberValue<M[K]> };

/** `Values`: what the members return, in order. `Rs`: what the callback and the stages behind it return. */
export class Chord<Values extends readonly unknown[] = readonly unknown[], Rs extends readonly unknown[] = readonly unknown[]> {
  readonly members: readonly Member[];
  /** The callback, and the stages behind it. */
  readonly callback: Pipeline;
  /** For the type checker alone. */
  declare readonly valueTypes?: Values;
  declare readonly resultTypes?: Rs;

  /** @throws ConfigurationError */
  constructor(members: readonly Member[], callback: Pipeline) {
    this.members = checkMembers(members, 'a chord');
    this.callback = callback;
  }

  /** One more stage behind the callback, see `Signature.pipe`. */
  pipe<V extends readonly unknown[], T extends readonly unknown[], A extends readonly unknown[], S>(
    this: Chord<V, T>,
    task: BoundTask<A, S>,
    ...args: StageArgs<A, Last<T>>
  ): Chord<V, [...T, S]>;
  pipe<V extends readonly unknown[], T extends readonly unknown[], S, L extends readonly unknown[]>(
    this: Chord<V, T>,
    signature: Signature<S, L> & Follows<L, Last<T>>,
  ): Chord<V, [...T, S]>;
  pipe(target: unknown, ...args: unknown[]): Chord<readonly unknown[], unknown[]> {
    return new Chord(this.members, new Pipeline([...this.callback.stages, signatureFrom(target, args, 'pipe')]));
  }

  /** A handler of errors of the callback, see `Signature.error`; the members have their own. */
  error<A extends readonly unknown[], S>(handler: BoundTask<A, S>, ...args: HandlerArgs<A>): Chord<Values, Rs>;
  error(handler: Signature): Chord<Values, Rs>;
  error(target: unknown, ...args: unknown[]): Chord<Values, Rs> {
    return new Chord(this.members, this.callback.error(signatureFrom(target, args, 'error')));
  }
}

/**
 * When every member has ended, the callback is called with the given arguments and one list, in the order of the members,
 * which is added as `pipe` adds a value: behind them, but before a trailing plain object. The list has the value of each member, the Error of one that failed for good, and null for one that
 * was revoked, canceled or expired. A member may be a pipeline (its last stage counts) or a chord (its callback, or what
 * follows it). An empty chord calls its callback with []. Huey: `chord`.
 * @throws ConfigurationError
 */
export function chord<const M extends readonly Member[], A extends readonly unknown[], S>(
  members: M,
  callback: BoundTask<A, S>,
  ...args: CallbackArgs<A, MemberValues<M>>
): Chord<MemberValues<M>, [S]>;
export function chord<const M extends readonly Member[], S>(members: M, callback: Signature<S>): Chord<MemberValues<M>, [S]>;
export function chord<const M extends readonly Member[], Rs extends readonly unknown[]>(
  members: M,
  callback: Pipeline<Rs>,
): Chord<MemberValues<M>, Rs>;
export function chord(members: readonly Member[], target: unknown, ...args: unknown[]): Chord {
  return new Chord(members, isPipeline(target) ? target : new Pipeline([signatureFrom(target, args, 'chord')]));
}

export function isChord(value: unknown): value is Chord {
  return value instanceof Chord;
}

/** @throws ConfigurationError */
export function checkMembers(members: readonly Member[], what: string): readonly Member[] {
  const list: unknown = members;
  if (!Array.isArray(list)) throw new ConfigurationError(`${what} is made of a list of signatures`, 'bad-signature');
  if (members.length > CHORD_MEMBERS_MAX && what === 'a chord') throw tooManyMembers();
  for (const member of members as unknown[]) {
    if (member instanceof Signature || member instanceof Pipeline || member instanceof Chord) continue;
    throw new ConfigurationError(
      `a member of ${what} must be what task.s(...), pipe or chord gives; a group cannot be one`,
      'bad-signature',
    );
  }
  return Object.freeze([...members]);
}

export function tooManyMembers(): ConfigurationError {
  return new ConfigurationError(
    `a chord is stored in one call and has at most ${CHORD_MEMBERS_MAX} members, those of chords in it included; split it`,
    'chord-too-large',
  );
}
