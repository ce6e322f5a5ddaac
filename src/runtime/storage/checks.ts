/**
 * What a call to a storage must look like. Everything is looked at before the first write, so that a bad call changes
 * nothing. Gives the call with what was read on the way (heads, completions), so that nothing is read twice.
 */
import type { WaitingMessage } from '../canceling.js';
import type { Completion } from '../completion.js';
import { decodeCompletions } from '../completion.js';
import { ConfigurationError, MalformedMessage } from '../errors.js';
import { checkId } from '../ids.js';
import { NAME_MAX_CHARS } from '../limits.js';
import type { Head } from '../message.js';
import { checkName, decodeHead } from '../message.js';
import type {
  ChordPlan,
  Effects,
  EnqueueItem,
  IfKnown,
  InstanceClaim,
  LockOwner,
  Mark,
  MarkTarget,
  Place,
  StepCall,
  Transition,
  UniqueClaim,
} from '../storage.js';

/** Keys of values and of unique tasks; they may be made of arguments. */
const KEY_MAX_CHARS = 1000;

export interface CheckedItem {
  text: string;
  head: Head;
  delayMs: number;
  etaMs: number | undefined;
  unique: UniqueClaim | undefined;
  replaces: string | undefined;
  ifKnown: IfKnown | undefined;
}

export interface CheckedChord {
  id: string;
  size: number;
  callback: CheckedItem;
}

export interface CheckedEffects extends Omit<Effects, 'enqueue' | 'also'> {
  enqueue: CheckedItem[];
  also: { id: string; record: string; ttlSeconds: number }[];
}

export type CheckedTransition =
  | (Omit<Extract<Transition, { kind: 'settle' }>, 'effects'> & { effects: CheckedEffects | undefined })
  | (Omit<Extract<Transition, { kind: 'requeue' }>, 'effects'> & { head: Head; effects: CheckedEffects | undefined })
  | (Omit<Extract<Transition, { kind: 'bury' }>, 'effects'> & { effects: CheckedEffects | undefined });

export interface CheckedStep extends Omit<StepCall, 'completions' | 'transitions'> {
  completions: Completion[];
  transitions: CheckedTransition[];
}

export function checkItems(items: readonly EnqueueItem[]): CheckedItem[] {
  return items.map((item) => ({
    text: item.text,
    head: checkMessage(item.text),
    ...checkWhen(item),
    unique: item.unique === undefined ? undefined : checkUnique(item.unique),
    replaces: item.replaces === undefined ? undefined : checkId(item.replaces),
    ifKnown: item.ifKnown === undefined ? undefined : checkIfKnown(item.ifKnown),
  }));
}

export function checkChords(chords: readonly ChordPlan[] = []): CheckedChord[] {
  return chords.map(({ id, size, callback }) => ({
    id: checkId(id),
    size: checkCount('the size of a chord', size),
    callback: readyItem(callback),
  }));
}

/** The item of a message that is ready at once. */
export function readyItem(text: string): CheckedItem {
  return { text, head: checkMessage(text), delayMs: 0, etaMs: undefined, unique: undefined, replaces: undefined, ifKnown: undefined };
}

/** When a message is due. */
export function checkWhen({ delayMs, etaMs }: EnqueueItem): { delayMs: number; etaMs: number | undefined } {
  if (delayMs !== undefined && etaMs !== undefined) {
    throw new ConfigurationError('a message is due after a delay or at an instant; give one of delayMs and etaMs');
  }
  return {
    delayMs: delayMs === undefined ? 0 : checkNumber('delayMs', delayMs),
    etaMs: etaMs === undefined ? undefined : checkNumber('etaMs', etaMs),
  };
}

export function checkUnique(claim: UniqueClaim): UniqueClaim {
  checkKey(claim.key);
  checkNumber('ttlMs', claim.ttlMs);
  if (!['existing', 'replace', 'reject'].includes(claim.onConflict)) {
    throw new ConfigurationError(`onConflict is existing, replace or reject, not ${String(claim.onConflict)}`);
  }
  return claim;
}

/** Everything about a step but what it carries. */
export function checkStepCall(call: StepCall): void {
  checkConsumer(call.consumer);
  checkCount('lane', call.lane);
  if (checkCount('seq', call.seq) === 0) throw new ConfigurationError('the calls of a lane are numbered from 1');
  checkCount('chunks', call.chunks);
  checkCount('chunkSize', call.chunkSize);
}

export function checkStep(call: StepCall): CheckedStep {
  checkStepCall(call);
  return {
    ...call,
    completions: call.completions.flatMap((bytes) => decodeCompletions(bytes)),
    transitions: call.transitions.map(checkTransition),
  };
}

export function checkTransition(transition: Transition): CheckedTransition {
  switch (transition.kind) {
    case 'settle':
    case 'bury':
      checkNumber('ttlSeconds', transition.ttlSeconds);
      return { ...transition, effects: effectsOf(transition) };
    case 'requeue': {
      checkNumber('delayMs', transition.delayMs);
      const head = checkMessage(transition.text);
      if (head.id !== transition.id) throw new ConfigurationError(`task ${transition.id} cannot be requeued as ${head.id}`);
      return { ...transition, head, effects: effectsOf(transition) };
    }
    default: {
      const unknown: never = transition;
      throw new ConfigurationError(`unknown transition: ${JSON.stringify(unknown)}`);
    }
  }
}

/** What waits ends by a settle of that very message. */
export function checkEnd({ text }: WaitingMessage, transition: Transition): CheckedTransition {
  const { id } = checkMessage(text);
  if (transition.kind === 'settle' && transition.id === id) return checkTransition(transition);
  throw new ConfigurationError(`what waits as ${id} cannot end by a ${transition.kind} of ${transition.id}`);
}

function effectsOf({ effects }: Transition): CheckedEffects | undefined {
  return effects === undefined ? undefined : checkEffects(effects);
}

export function checkIfKnown(ifKnown: IfKnown): IfKnown {
  if (ifKnown.call !== undefined) checkId(ifKnown.call);
  checkOthers(ifKnown);
  return ifKnown;
}

/** Whose end or count depends on this one. */
function checkOthers({ also = [], chord }: Pick<Effects, 'also' | 'chord'>): void {
  for (const { id, ttlSeconds } of also) {
    checkId(id);
    checkNumber('ttlSeconds', ttlSeconds);
  }
  if (chord === undefined) return;
  checkId(chord.id);
  checkCount('the index in a chord', chord.index);
  checkText(chord.value);
}

export function checkEffects(effects: Effects): CheckedEffects {
  const { endChord, freeUnique } = effects;
  checkOthers(effects);
  if (endChord !== undefined) checkId(endChord);
  if (freeUnique !== undefined) checkKey(freeUnique);
  return { ...effects, enqueue: checkItems(effects.enqueue ?? []), also: effects.also ?? [] };
}

/** Whether it can be stored and leased. A message's line break would be taken for the end of it in a chunk. */
export function checkMessage(text: string): Head {
  const head = decodeHead(text);
  if (text.includes('\n')) throw new MalformedMessage('a message is one line');
  return head;
}

export function checkConsumer(consumer: string): string {
  if (typeof consumer !== 'string' || consumer.length === 0) throw new ConfigurationError('a consumer has a name');
  return consumer;
}

export function checkInstance(instance: InstanceClaim): InstanceClaim {
  checkInstanceName(instance.name);
  return instance;
}

/** @throws ConfigurationError */
export function checkInstanceName(name: string): string {
  if (typeof name === 'string' && name.length > 0 && name.length <= NAME_MAX_CHARS && /^[!-~]+$/.test(name)) return name;
  throw new ConfigurationError(
    `instance is ${JSON.stringify(name)}, and must be 1 to ${NAME_MAX_CHARS} printable ASCII characters without blanks`,
    'bad-name',
  );
}

export function checkLease(leaseMs: number): number {
  if (checkNumber('leaseMs', leaseMs) === 0) throw new ConfigurationError('a lease is longer than 0 ms');
  return leaseMs;
}

export function checkMark(mark: Mark): Mark {
  checkNumber('untilMs', mark.untilMs);
  return mark;
}

export function checkTarget(target: MarkTarget): MarkTarget {
  if ('id' in target) checkId(target.id);
  else checkName(target.task);
  return target;
}

/** The name of a lock or a rate limit. */
export function checkLockName(name: string): string {
  if (typeof name !== 'string' || name.length === 0 || name.length > NAME_MAX_CHARS) {
    throw new ConfigurationError(`the name of a lock or a limit has 1 to ${NAME_MAX_CHARS} characters`, 'bad-name');
  }
  return name;
}

export function checkKey(key: string): string {
  if (typeof key === 'string' && key.length > 0 && key.length <= KEY_MAX_CHARS) return key;
  throw new ConfigurationError(`a key is 1 to ${KEY_MAX_CHARS} characters`, 'bad-key');
}

export function checkToken(token: string): string {
  if (typeof token === 'string' && token.length > 0 && token.length <= KEY_MAX_CHARS) return token;
  throw new ConfigurationError('the owner of a lock has a token');
}

/** A lock is a run's or a process's, which says how long. */
export function checkOwner(owner: LockOwner): LockOwner {
  checkToken(owner.token);
  if ((owner.run === undefined) === (owner.leaseMs === undefined)) {
    throw new ConfigurationError('a lock belongs to a run or to a process: give one of run and leaseMs');
  }
  if (owner.leaseMs !== undefined) checkLease(owner.leaseMs);
  if (owner.run !== undefined) {
    checkConsumer(owner.run.consumer);
    checkId(owner.run.id);
    checkText(owner.run.run);
  }
  return owner;
}

/** A rate: so many calls in a window of so long. */
export function checkRate(limit: number, perMs: number): void {
  checkCount('limit', limit);
  if (checkNumber('perMs', perMs) === 0) throw new ConfigurationError('the window of a rate limit is longer than 0 ms');
}

export function checkPlace(place: Place): Place {
  if (['ready', 'scheduled', 'running', 'dead'].includes(place)) return place;
  throw new ConfigurationError(`messages are ready, scheduled, running or dead, not ${String(place)}`);
}

export function checkText(text: string): string {
  if (typeof text !== 'string') throw new ConfigurationError(`what is stored is text, not ${typeof text}`);
  return text;
}

/** A whole number from 0 on. */
export function checkCount(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new ConfigurationError(`${name} is a whole number from 0 on, not ${String(value)}`);
  return value;
}

/** A finite number from 0 on. */
export function checkNumber(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) throw new ConfigurationError(`${name} is a number from 0 on, not ${String(value)}`);
  return value;
}
