/**
 * What a call to a storage must look like. Everything is looked at before the first write, so that a bad call changes
 * nothing. Gives the call with what was read on the way (heads, completions), so that nothing is read twice.
 */
import type { Completion } from '../completion.js';
import { decodeCompletions } from '../completion.js';
import { ConfigurationError, MalformedMessage } from '../errors.js';
import { checkId } from '../ids.js';
import { NAME_MAX_CHARS } from '../limits.js';
import type { Head } from '../message.js';
import { checkName, decodeHead } from '../message.js';
import type { EnqueueItem, LockOwner, Mark, MarkTarget, StepCall, Transition } from '../storage.js';

export interface CheckedItem {
  text: string;
  head: Head;
  delayMs: number;
  etaMs: number | undefined;
}

export type CheckedTransition =
  | (Omit<Extract<Transition, { kind: 'settle' }>, 'enqueue'> & { enqueue: CheckedItem[] })
  | (Extract<Transition, { kind: 'requeue' }> & { head: Head })
  | Extract<Transition, { kind: 'bury' }>;

export interface CheckedStep extends Omit<StepCall, 'completions' | 'transitions'> {
  completions: Completion[];
  transitions: CheckedTransition[];
}

export function checkItems(items: readonly EnqueueItem[]): CheckedItem[] {
  return items.map((item) => ({ text: item.text, head: checkMessage(item.text), ...checkWhen(item) }));
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
      checkNumber('ttlSeconds', transition.ttlSeconds);
      return { ...transition, enqueue: checkItems(transition.enqueue ?? []) };
    case 'requeue': {
      checkNumber('delayMs', transition.delayMs);
      const head = checkMessage(transition.text);
      if (head.id !== transition.id) throw new ConfigurationError(`task ${transition.id} cannot be requeued as ${head.id}`);
      return { ...transition, head };
    }
    case 'bury':
      checkNumber('ttlSeconds', transition.ttlSeconds);
      return transition;
    default: {
      const unknown: never = transition;
      throw new ConfigurationError(`unknown transition: ${JSON.stringify(unknown)}`);
    }
  }
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

export function checkOwner(owner: LockOwner): LockOwner {
  if (owner.token === '') throw new ConfigurationError('the owner of a lock has a token');
  if ((owner.run === undefined) === (owner.leaseMs === undefined)) {
    throw new ConfigurationError('a lock belongs to a run or to a process: give one of run and leaseMs');
  }
  if (owner.leaseMs !== undefined) checkLease(owner.leaseMs);
  return owner;
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
