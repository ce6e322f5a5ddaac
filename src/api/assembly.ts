/**
 * Signatures -> messages. What is enqueued together is assembled here: ids are given, later stages and handlers go into
 * the body of the message before them, the members of a chord learn which chord they contribute to and at which place.
 *
 * A chord's id is that of its callback, so that enqueuing the same ids again opens no second one.
 */
import { ConfigurationError, UniqueConflict } from '../runtime/errors.js';
import { CHORD_MEMBERS_MAX } from '../runtime/limits.js';
import { ifKnown, withList, type LaterStages } from '../runtime/links.js';
import type { ChordPlan, IfKnown } from '../runtime/storage.js';
import { Chord, tooManyMembers, type Member } from './chord.js';
import type { Client } from './client.js';
import type { Conflicts, OutboxItem } from './outbox.js';
import { Pipeline } from './pipeline.js';
import { Signature, type CallPlan } from './signature.js';
import { uniqueKey } from './unique.js';

/** The place in a chord that the last stage contributes to. */
type Link = NonNullable<LaterStages['chord']>;

/** A call as it was made, so that it can be made again. */
export interface CallOrigin {
  readonly plan: CallPlan;
  readonly args: readonly unknown[];
  readonly handler?: Signature | undefined;
  /** The stages behind it. */
  readonly later?: readonly Signature[];
}

/** An invocation that will have a handle. */
export interface Assembled {
  readonly id: string;
  readonly taskName: string;
  /** Undefined where it cannot be made again by itself. */
  readonly origin: CallOrigin | undefined;
}

export interface AssembledChord {
  /** The last stage of each member. */
  readonly members: readonly Assembled[];
  /** The callback and the stages behind it. */
  readonly callback: readonly Assembled[];
}

/** The message of one call alone: what most calls are. @throws PayloadError, ConfigurationError */
export function itemOf(plan: CallPlan, args: readonly unknown[]): OutboxItem {
  const id = plan.id ?? plan.client.nextId();
  if (plan.unique !== undefined) return uniqueItem(id, { plan, args }, plan.unique.onConflict, '');
  return { id, text: plan.envelope.text(id, args, Date.now(), '', plan.when), ...plan.when };
}

/** The message of a call with its handler. @throws PayloadError, ConfigurationError */
export function itemOfSignature(signature: Signature): OutboxItem {
  const plan = Signature.planOf(signature);
  const handler = Signature.handlerOf(signature);
  if (handler === undefined) return itemOf(plan, signature.args);
  const id = plan.id ?? plan.client.nextId();
  const links = new Assembly(plan.client).handlerText(handler);
  if (plan.unique !== undefined) return uniqueItem(id, { plan, args: signature.args }, plan.unique.onConflict, links);
  return { id, text: plan.envelope.text(id, signature.args, Date.now(), links, plan.when), ...plan.when };
}

/** The same call under a new id and other options; it takes the place of the old one. @throws PayloadError, ConfigurationError */
export function itemInPlaceOf(oldId: string, origin: CallOrigin): OutboxItem {
  const { plan, args, handler, later = [] } = origin;
  const id = plan.id ?? plan.client.nextId();
  const links = new Assembly(plan.client).linksOf(handler, later);
  // The old one has the key; this takes it over together with the place.
  if (plan.unique !== undefined) return { ...uniqueItem(id, origin, 'replace', links), replaces: oldId };
  return { id, text: plan.envelope.text(id, args, Date.now(), links, plan.when), ...plan.when, replaces: oldId };
}

/** Which of the calls were made, or the ids of those that are there already. @throws UniqueConflict */
export function idsAfter(conflicts: Conflicts, calls: readonly { id: string; plan: CallPlan | undefined }[]): string[] {
  const ids = calls.map(({ id }) => id);
  for (const { index, id } of conflicts) {
    const plan = calls[index]?.plan;
    if (plan?.unique?.onConflict === 'reject') throw new UniqueConflict(plan.taskName, id);
    ids[index] = id;
  }
  return ids;
}

export class Assembly {
  readonly items: OutboxItem[] = [];
  readonly chords: ChordPlan[] = [];
  readonly #client: Client;
  readonly #ids = new Set<string>();
  readonly #now = Date.now();

  constructor(client: Client) {
    this.#client = client;
  }

  /** All its stages, in order. @throws ConfigurationError, PayloadError */
  pipeline({ stages }: Pipeline): Assembled[] {
    return this.#stages(stages, undefined);
  }

  /** The last stage of each member. @throws ConfigurationError, PayloadError */
  group(members: readonly Member[]): Assembled[] {
    return members.map((member) => this.#member(member, undefined));
  }

  /** @throws ConfigurationError, PayloadError */
  chord(chord: Chord, link?: Link): AssembledChord {
    if (chord.members.length === 0)
      return { members: [], callback: this.#stages(chord.callback.stages, link, (args) => withList(args, [])) };
    const [first, ...later] = chord.callback.stages;
    if (first === undefined) throw new ConfigurationError('a chord needs a callback', 'bad-signature');
    const plan = this.#check(first, "a chord's callback");
    if (plan.when.delayMs !== undefined || plan.when.etaMs !== undefined)
      throw new ConfigurationError(
        `the callback ${plan.taskName} of a chord runs when the members have ended; it can have no delay or eta`,
        'bad-option',
      );
    const id = this.#newId(plan);
    const members = chord.members.map((member, index) => this.#member(member, { id, index }));
    if (members.length > CHORD_MEMBERS_MAX || this.items.length > CHORD_MEMBERS_MAX) throw tooManyMembers();
    const behind = this.#laterStages(later, link);
    const links = `,"collect":"${id}"${behind.text === '' ? linkText(link) : behind.text}${this.handlerText(Signature.handlerOf(first))}`;
    this.chords.push({ id, size: members.length, callback: plan.envelope.text(id, first.args, this.#now, links) });
    return { members, callback: [{ id, taskName: plan.taskName, origin: undefined }, ...behind.assembled] };
  }

  /** What follows a call: the stages behind it and its handler, as members of its body. */
  linksOf(handler: Signature | undefined, later: readonly Signature[]): string {
    return this.#laterStages(later, undefined).text + this.handlerText(handler);
  }

  /** Its own handler included. */
  handlerText(handler: Signature | undefined): string {
    if (handler === undefined) return '';
    const plan = this.#check(handler, 'a handler of errors');
    const links = this.handlerText(Signature.handlerOf(handler));
    return `,"onError":${plan.envelope.stage(this.#newId(plan), handler.args, this.#now, { links, ...plan.when })}`;
  }

  #member(member: Member, link: Link | undefined): Assembled {
    const made = member instanceof Chord ? this.chord(member, link).callback : this.#stages(stagesOf(member), link);
    const last = made.at(-1);
    if (last === undefined) throw new ConfigurationError('a pipeline needs a stage', 'bad-signature');
    // By itself it would contribute to a chord a second time.
    return link === undefined ? last : { ...last, origin: undefined };
  }

  /** `link` goes to the last stage; `complete` adds to the arguments of the first. */
  #stages(
    stages: readonly Signature[],
    link: Link | undefined,
    complete: (args: readonly unknown[]) => readonly unknown[] = asGiven,
  ): Assembled[] {
    const [first, ...later] = stages;
    if (first === undefined) return [];
    const handler = Signature.handlerOf(first);
    const alone = later.length === 0 && link === undefined;
    const plan = this.#check(first, 'a pipeline or a chord', alone);
    const id = this.#newId(plan);
    const behind = this.#laterStages(later, link);
    const links = (behind.text === '' ? linkText(link) : behind.text) + this.handlerText(handler);
    const args = complete(first.args);
    const origin: CallOrigin = { plan, args, handler, later };
    this.items.push(
      plan.unique === undefined
        ? {
            id,
            text: plan.envelope.text(id, args, this.#now, links, plan.when),
            ...plan.when,
            ...this.#ifKnown(plan, behind.assembled, link),
          }
        : uniqueItem(id, origin, plan.unique.onConflict, links),
    );
    return [{ id, taskName: plan.taskName, origin }, ...behind.assembled];
  }

  /** The stages behind a first one, as a member of its body. */
  #laterStages(stages: readonly Signature[], link: Link | undefined): { text: string; assembled: Assembled[] } {
    const assembled: Assembled[] = [];
    let text = '';
    for (const stage of [...stages].reverse()) {
      const plan = this.#check(stage, 'a pipeline');
      const id = this.#newId(plan);
      const links = (text === '' ? linkText(link) : text) + this.handlerText(Signature.handlerOf(stage));
      text = `,"next":${plan.envelope.stage(id, stage.args, this.#now, { links, ...plan.when })}`;
      assembled.unshift({ id, taskName: plan.taskName, origin: undefined });
    }
    return { text, assembled };
  }

  /** An id of the caller's own may have been enqueued before; whoever waits behind it must not wait for ever. */
  #ifKnown({ id }: CallPlan, later: readonly Assembled[], chord: Link | undefined): { ifKnown?: IfKnown } {
    if (id === undefined) return {};
    const ids = later.map((stage) => stage.id);
    const known = ifKnown(id, chord === undefined ? { ids } : { ids, chord });
    return known === undefined ? {} : { ifKnown: { call: this.#client.nextId(), ...known } };
  }

  #newId(plan: CallPlan): string {
    const id = plan.id ?? this.#client.nextId();
    if (this.#ids.has(id)) throw new ConfigurationError(`two calls have the id ${id}; give each its own, or none`, 'bad-id');
    this.#ids.add(id);
    return id;
  }

  /** `alone`: nobody's end depends on whether this one is made. */
  #check(signature: Signature, place: string, alone = false): CallPlan {
    const plan = Signature.planOf(signature);
    if (plan.client !== this.#client)
      throw new ConfigurationError(`${plan.taskName} is a task of another Huey; enqueue it there`, 'bad-signature');
    if (plan.unique !== undefined && !alone)
      throw new ConfigurationError(
        `${plan.taskName} is unique and so may not be made; ${place} would wait for it for ever: pipe or list ${plan.taskName}.withOptions({ unique: false })`,
        'bad-option',
      );
    return plan;
  }
}

function linkText(link: Link | undefined): string {
  return link === undefined ? '' : `,"chord":${JSON.stringify(link)}`;
}

function asGiven(args: readonly unknown[]): readonly unknown[] {
  return args;
}

function stagesOf(member: Signature | Pipeline): readonly Signature[] {
  return member instanceof Pipeline ? member.stages : [member];
}

function uniqueItem(id: string, { plan, args }: CallOrigin, onConflict: 'existing' | 'replace' | 'reject', links: string): OutboxItem {
  const { envelope, taskName, unique, when } = plan;
  if (unique === undefined) throw new TypeError(`${taskName} is not unique`);
  const key = uniqueKey(unique, taskName, args, () => envelope.argsText(args));
  const own = `,"unique":${JSON.stringify({ key, until: unique.until })}`;
  return { id, text: envelope.text(id, args, Date.now(), links + own, when), ...when, unique: { key, onConflict, ttlMs: unique.ttlMs } };
}
