/**
 * Types of what one stage of a pipeline hands to the next: which arguments a task still needs when it is given what its
 * parent returned. The rule is that of runtime/links.ts; `test/types` says what fits and what does not.
 */
import type { Tuple } from '../runtime/tuple.js';

/**
 * The arguments that a stage with the parameters `A` is written with, where its parent returns `R`: those that `A` has
 * in front of what is handed on. Where nothing fits, the type names the two that do not.
 */
export type StageArgs<A extends readonly unknown[], R> = 0 extends 1 & R
  ? Front<A>
  : [Fitting<A, R>] extends [never]
    ? [never, DoesNotFit<R, A>]
    : Fitting<A, R>;

/** Shown in the error where what a stage is handed does not fit its parameters. */
export interface DoesNotFit<Returned, Parameters> {
  readonly 'what the stage before returns does not fit': [Returned, Parameters];
}

/** `unknown` where a complete call that has room for the parameters `L` can follow who returns `R`. */
export type Follows<L extends readonly unknown[], R> = 0 extends 1 & R
  ? unknown
  : [R extends unknown ? (HandedTo<R> extends Loose<L> ? never : IsPlain<R> extends true ? never : R) : never] extends [never]
    ? unknown
    : DoesNotFit<R, L>;

/** What stays of the parameters `A` behind the arguments `P`; nothing behind a plain object, which stays the last one. */
export type Left<A extends readonly unknown[], P extends readonly unknown[]> = EndsPlain<P> extends true ? [] : Behind<A, P>;

type Behind<A extends readonly unknown[], P extends readonly unknown[]> = P extends readonly [unknown, ...infer More]
  ? A extends readonly [unknown?, ...infer Rest]
    ? Behind<Rest, More>
    : A
  : number extends P['length']
    ? []
    : A;

/** What a returned value is as arguments. */
type HandedTo<R> = [R] extends [undefined | null | void] ? [] : R extends Tuple<infer T extends readonly unknown[]> ? Bare<T> : [R];

/** A tuple without its mark. */
type Bare<T extends readonly unknown[]> = T extends readonly [infer H, ...infer Rest]
  ? [H, ...Bare<Rest>]
  : T extends readonly []
    ? []
    : [...T];

type Fitting<A extends readonly unknown[], R> = FitsAll<Front<A>, A, R> | (IsMergeable<R> extends true ? Merging<A, R> : never);

/** Those fronts `P` that fit whatever member of the union `R` is handed on. */
type FitsAll<P extends readonly unknown[], A extends readonly unknown[], R> = P extends unknown
  ? [R extends unknown ? (Called<P, R> extends Loose<A> ? never : R) : never] extends [never]
    ? P
    : never
  : never;

/** The arguments of the call: what is handed on stands behind `P`, but before its trailing plain object. */
type Called<P extends readonly unknown[], R> = P extends readonly [...infer Before, infer Last]
  ? IsPlain<Last> extends true
    ? HandedTo<R> extends []
      ? P
      : IsPlain<R> extends true
        ? 'merged'
        : [...Before, ...HandedTo<R>, Last]
    : [...P, ...HandedTo<R>]
  : [...P, ...HandedTo<R>];

/** Parameters at the end that take undefined may be left out. */
type Loose<A extends readonly unknown[]> = number extends A['length']
  ? A
  : Required<A> extends readonly [...infer Before, unknown]
    ? undefined extends A[Before['length']]
      ? A extends readonly [...infer Front, unknown?]
        ? [...Loose<Front>, A[Before['length']]?]
        : A
      : A
    : A;

/**
 * Every beginning of a list of parameters, and every beginning followed by its last one, which may be the options that
 * stay behind what is handed on.
 */
type Front<A extends readonly unknown[]> = Beginnings<A> | WithLast<A>;

type Beginnings<A extends readonly unknown[], P extends readonly unknown[] = []> = number extends A['length']
  ? P | (A extends readonly [infer H, ...infer Rest] ? Beginnings<Rest, [...P, H]> : [...P, ...A])
  : A extends readonly []
    ? P
    : Required<A> extends readonly [infer H, ...unknown[]]
      ? A extends readonly [unknown?, ...infer Rest]
        ? P | Beginnings<Rest, [...P, H]>
        : P
      : P;

type WithLast<A extends readonly unknown[]> =
  Required<A> extends readonly [...infer Before, infer Last]
    ? IsPlain<Last> extends true
      ? [...BeginningsOf<Before>, Last]
      : never
    : never;
type BeginningsOf<A extends readonly unknown[]> = Beginnings<A>;

/** A stage whose last parameter is a plain object takes what a plain object brings; what it needs besides is its own. */
type Merging<A extends readonly unknown[], R> =
  Required<A> extends readonly [...infer Before, infer Last] ? (IsPlain<Last> extends true ? [...Before, Own<Last, R>] : never) : never;

type Own<Options, R> = { [K in keyof Options as Brings<R, K, Options[K]> extends true ? never : K]: Options[K] } & {
  [K in keyof Options as Brings<R, K, Options[K]> extends true ? K : never]?: Options[K];
};
type Brings<R, K extends PropertyKey, V> = K extends keyof R
  ? R extends { [P in K]: unknown }
    ? [R[K]] extends [V]
      ? true
      : false
    : false
  : false;

/** A union of something else with a plain object is not merged for sure. */
type IsMergeable<R> = [R] extends [object] ? (false extends IsPlain<R> ? false : true) : false;

type EndsPlain<P extends readonly unknown[]> = P extends readonly [...unknown[], infer Last] ? IsPlain<Last> : false;

/** Whether a value of this type is a plain object when it runs. Class instances without methods cannot be told from them. */
type IsPlain<T> = 0 extends 1 & T
  ? false
  : [T] extends [never]
    ? false
    : T extends object
      ? T extends
          | readonly unknown[]
          | ((...args: never[]) => unknown)
          | Date
          | Error
          | ReadonlyMap<unknown, unknown>
          | ReadonlySet<unknown>
          | ArrayBuffer
          | ArrayBufferView
        ? false
        : true
      : false;

/** The arguments that a handler of errors with the parameters `A` is written with: all in front of the error. */
export type HandlerArgs<A extends readonly unknown[]> = A extends readonly []
  ? []
  : [BeforeError<Beginnings<A>, A>] extends [never]
    ? [never, DoesNotFit<Error, A>]
    : BeforeError<Beginnings<A>, A>;
type BeforeError<P extends readonly unknown[], A> = P extends unknown ? ([...P, Error] extends A ? P : never) : never;

/** The arguments that a chord's callback with the parameters `A` is written with; the list is handed on as one argument. */
export type CallbackArgs<A extends readonly unknown[], List> = A extends readonly [] ? [] : StageArgs<A, List>;

/** The last of a list of types. */
export type Last<T extends readonly unknown[]> = T extends readonly [...unknown[], infer L] ? L : T[number];
