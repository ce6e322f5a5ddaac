/** Calls that run side by side. Made by `group(...)`; immutable. */
import { checkMembers, type Chord, chord, type Member, type MemberValues } from './chord.js';
import type { CallbackArgs, HandlerArgs } from './handing.js';
import { signatureFrom, type Signature } from './signature.js';
import type { BoundTask } from './task.js';

/** `Values`: what the members return, in order. */
export class Group<Values extends readonly unknown[] = readonly unknown[]> {
  readonly members: readonly Member[];
  /** For the type checker alone. */
  declare readonly valueTypes?: Values;

  /** @throws ConfigurationError */
  constructor(members: readonly Member[]) {
    this.members = checkMembers(members, 'a group');
  }

  /** The members, and a callback for the list of what they returned: a chord, see `chord`. Huey: `then`. */
  pipe<V extends readonly unknown[], A extends readonly unknown[], S>(
    this: Group<V>,
    callback: BoundTask<A, S>,
    ...args: CallbackArgs<A, V>
  ): Chord<V, [S]>;
  pipe<V extends readonly unknown[], S>(this: Group<V>, callback: Signature<S>): Chord<V, [S]>;
  pipe(target: unknown, ...args: unknown[]): Chord<readonly unknown[], unknown[]> {
    return chord(this.members, signatureFrom(target, args, 'pipe'));
  }

  /** A handler of errors for each member, see `Signature.error`. */
  error<A extends readonly unknown[], S>(handler: BoundTask<A, S>, ...args: HandlerArgs<A>): Group<Values>;
  error(handler: Signature): Group<Values>;
  error(target: unknown, ...args: unknown[]): Group<Values> {
    const handler = signatureFrom(target, args, 'error');
    return new Group(this.members.map((member) => member.error(handler)));
  }
}

/** Huey: `group`. @throws ConfigurationError */
export function group<const M extends readonly Member[]>(members: M): Group<MemberValues<M>> {
  return new Group(members);
}

export function isGroup(value: unknown): value is Group {
  return value instanceof Group;
}
