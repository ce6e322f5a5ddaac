/**
 * What becomes of a task: `decide(message, outcome, context)` is a pure function from the outcome of a run to one
 * transition. Every rule about retries, charges and final states stands here and nowhere else.
 *
 *     outcome        retries left   transition                        final state
 *     complete                      settle                            done
 *     error          yes            requeue at the tail, or later
 *     error          no             settle                            failed (error)
 *     timeout        as error                                         failed (timeout)
 *     retry                         requeue, no retry spent
 *     cancel         by its `retry` requeue or settle                 canceled
 *     locked         as error                                         failed (locked)
 *     rate-limited   as error, but after the window; requeue and no retry spent, if it says so      failed (rate-limited)
 *     crashed                       requeue at the head, charged; bury when it died alone too often     dead
 *     interrupted                   requeue at the head, uncharged
 *     not-started                   requeue at the head, uncharged
 *     postponed                     requeue later, uncharged
 *     unknown-task                  requeue later, uncharged; bury after an hour                        dead
 *     malformed                     bury                              dead
 *     dead                          bury                              dead
 *     expired, revoked              settle                            expired, revoked
 *
 * With the end of a task goes what it is linked to: on success the next stage is enqueued and the chord gets the value; on a
 * failure the handler is enqueued; where it ended otherwise than done, later stages end as canceled, and their chord gets
 * the error, or null where nothing failed.
 */
import { encodeRecord, type FinalState } from './completion.js';
import { PayloadError, type TaskErrorMetadata } from './errors.js';
import { endsAlong, errorOf, forAttempt, handlerItem, laterStages } from './links.js';
import {
  DEATHS_MAX,
  DELAY_MAX_MS,
  END_MARKER_TTL_MS,
  MINUTE_MS,
  RESULT_TTL_MS,
  RETRY_DELAY_MAX_MS,
  SECOND_MS,
  UNKNOWN_TASK_TTL_MS,
} from './limits.js';
import { idOf, withHead, type Body, type Head, type Message, type Notes, type Stage } from './message.js';
import type { PayloadCodec } from './payload-codec.js';
import { encode } from './serializer.js';
import type { Effects, EnqueueItem, Transition } from './storage.js';

/** An error as data. */
export interface ErrorInfo {
  name: string;
  message: string;
  stack?: string;
  /** Why a task counts as failed: 'error', 'timeout', 'payload', ... */
  code: string;
}

/** How a run ended. The first group is reported by the worker, the second is the supervisor's own knowledge. */
export type Outcome =
  | { kind: 'complete'; record: string; ttlSeconds: number; next?: EnqueueItem; /** For its chord, JSON text. */ contribution?: string }
  | { kind: 'error'; error: ErrorInfo }
  | { kind: 'retry'; delayMs: number }
  | { kind: 'cancel'; retry: boolean | undefined; reason: string }
  | { kind: 'locked'; error: ErrorInfo }
  /** `retry`: no retry is spent. */
  | { kind: 'rate-limited'; error: ErrorInfo; resetMs: number; retry: boolean }
  | { kind: 'unknown-task' }
  | { kind: 'malformed'; reason: string }
  | { kind: 'expired' }
  | { kind: 'revoked' }
  | { kind: 'timeout'; error: ErrorInfo }
  | { kind: 'dead'; reason: string }
  | { kind: 'crashed'; alone: boolean; reason: string }
  | { kind: 'interrupted' }
  | { kind: 'not-started' }
  /** As many of its task run in this consumer as may. */
  | { kind: 'postponed'; delayMs: number };

export interface DecisionContext {
  /** The storage's clock. */
  now: number;
  /** How long a failure is kept. */
  resultTtlMs: number;
  /** Huey's storeIntermediateErrors: the handler of errors runs for each failed attempt, and not for the last alone. */
  intermediateErrors?: boolean;
  /** How bodies are written. */
  codec?: PayloadCodec;
}

/** The transition, and what to tell people: the word for logs, signals and events. */
export interface Decision {
  transition: Transition;
  signal:
    | 'complete'
    | 'error'
    | 'retrying'
    | 'canceled'
    | 'locked'
    | 'rate-limited'
    | 'timeout'
    | 'interrupted'
    | 'expired'
    | 'revoked'
    | 'crashed'
    | 'dead'
    | 'unknown'
    | 'released';
  /** Set where it will be tried again after a wait. */
  delayMs?: number;
}

export function decide(text: string, message: Message, outcome: Outcome, context: DecisionContext): Decision {
  const { head, body } = message;
  switch (outcome.kind) {
    case 'complete': {
      const { record, ttlSeconds, next, contribution } = outcome;
      return {
        transition: withEffects({ kind: 'settle', id: head.id, record, ttlSeconds }, afterSuccess(body, next, contribution)),
        signal: 'complete',
      };
    }
    case 'error':
      return afterFailure(text, message, outcome.error, 'error', context);
    case 'timeout':
      return afterFailure(text, message, outcome.error, 'timeout', context);
    case 'retry': {
      return retrying(text, message, head, Math.min(DELAY_MAX_MS, outcome.delayMs), context);
    }
    case 'cancel': {
      const retry = outcome.retry ?? head.retries > 0;
      if (!retry) return settle(message, 'canceled', JSON.stringify({ reason: outcome.reason }), context.resultTtlMs, 'canceled', context);
      return { ...spendRetry(text, message, context), signal: 'canceled' };
    }
    case 'locked':
      return afterFailure(text, message, outcome.error, 'locked', context);
    case 'rate-limited':
      return afterRateLimit(text, message, outcome, context);
    case 'crashed':
      return afterCrash(text, message, outcome, context);
    case 'interrupted':
      return { transition: requeue(head.id, text, 0, 'head'), signal: 'interrupted' };
    case 'not-started':
      return { transition: requeue(head.id, text, 0, 'head'), signal: 'released' };
    case 'postponed':
      return { transition: requeue(head.id, text, outcome.delayMs, 'tail'), signal: 'released' };
    case 'unknown-task':
      return afterUnknown(text, message, context);
    case 'malformed':
    case 'dead':
      return bury(message, text, outcome.reason, context);
    case 'expired':
      return settle(message, 'expired', '', END_MARKER_TTL_MS, 'expired', context);
    case 'revoked':
      return settle(message, 'revoked', '', END_MARKER_TTL_MS, 'revoked', context);
  }
}

/** For bytes that carry an id and are otherwise no message. */
export function buryUnreadable(text: string, reason: string): Decision {
  return buried(idOf(text), text, reason);
}

/** The wait before the next try: the delay, multiplied by the backoff for every retry that was spent. Huey's rule, with a ceiling. */
export function retryDelayMs(message: Message): number {
  // A body comes from outside: nonsense in it must not become a transition that no storage takes.
  const { retryDelayMs: first, retryBackoff, retries } = message.body;
  const spent = Math.max(0, numberOr(retries, 0) - message.head.retries);
  const delayMs = numberOr(first, 0) * numberOr(retryBackoff, 1) ** spent;
  return delayMs > 0 ? Math.min(RETRY_DELAY_MAX_MS, delayMs) : 0;
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

function afterFailure(
  text: string,
  message: Message,
  error: ErrorInfo,
  signal: 'error' | 'timeout' | 'locked' | 'rate-limited',
  context: DecisionContext,
): Decision {
  const { head } = message;
  if (head.retries > 0) {
    const again = spendRetry(text, message, context);
    if (context.intermediateErrors !== true || message.body.onError === undefined) return again;
    const handler = forAttempt(message.body.onError, head.attempts + 1);
    return { ...again, transition: withEffects(again.transition, handling(handler, error, context)) };
  }
  const metadata = failureOf(error, head.id, head.retries, false);
  return settle(message, 'failed', JSON.stringify(metadata), context.resultTtlMs, signal, context, error);
}

/** What is kept of a failure. */
export function failureOf(
  error: ErrorInfo,
  taskId: string,
  retries: number,
  willRetry: boolean,
): TaskErrorMetadata & Omit<ErrorInfo, 'stack'> {
  return {
    code: error.code,
    error: error.message === '' ? error.name : `${error.name}: ${error.message}`,
    name: error.name,
    message: error.message,
    retries,
    taskId,
    willRetry,
    ...(error.stack === undefined ? {} : { traceback: error.stack }),
  };
}

/** Before the window ends it would only be refused again; its own delay, where it has one, counts instead, as in Huey. */
function afterRateLimit(
  text: string,
  message: Message,
  outcome: Extract<Outcome, { kind: 'rate-limited' }>,
  context: DecisionContext,
): Decision {
  const { head } = message;
  if (!outcome.retry && head.retries === 0) return afterFailure(text, message, outcome.error, 'rate-limited', context);
  const delayMs = retryDelayMs(message) || Math.min(DELAY_MAX_MS, outcome.resetMs);
  const retries = outcome.retry ? head.retries : head.retries - 1;
  return retrying(text, message, { ...head, retries }, delayMs, context);
}

function spendRetry(text: string, message: Message, context: DecisionContext): Decision {
  const { head } = message;
  return retrying(text, message, { ...head, retries: Math.max(0, head.retries - 1) }, retryDelayMs(message), context);
}

/** One attempt more has ended. */
function retrying(text: string, message: Message, head: Head, delayMs: number, context: DecisionContext): Decision {
  const again = withHead(text, { ...head, attempts: head.attempts + 1 }, dueAgain(message, delayMs, context));
  return { transition: requeue(head.id, again, delayMs, 'tail'), signal: 'retrying', delayMs };
}

/** For its accounts: what it waits from then on is the wait of its next attempt. */
function dueAgain({ notes }: Message, delayMs: number, { now }: DecisionContext): Notes {
  return { ...notes, retryAt: Math.floor(now + delayMs) };
}

/** Only a death that it surely caused counts towards being dead; one among several is a suspect and will run alone. */
function afterCrash(
  text: string,
  message: Message,
  { alone, reason }: Extract<Outcome, { kind: 'crashed' }>,
  context: DecisionContext,
): Decision {
  const { head } = message;
  const charged = alone ? { ...head, deaths: head.deaths + 1 } : { ...head, lapses: head.lapses + 1 };
  const counted = { ...charged, attempts: head.attempts + 1 };
  if (charged.deaths > DEATHS_MAX)
    return bury(message, withHead(text, counted), `its thread died ${charged.deaths} times: ${reason}`, context);
  const again = withHead(text, counted, dueAgain(message, 0, context));
  return { transition: requeue(head.id, again, 0, 'head'), signal: 'crashed' };
}

function afterUnknown(text: string, message: Message, context: DecisionContext): Decision {
  const { head, notes } = message;
  const { now } = context;
  const since = notes.unknownSince ?? now;
  const ageMs = Math.max(0, now - since);
  if (ageMs >= UNKNOWN_TASK_TTL_MS) return bury(message, text, `no consumer knew the task "${head.name}" for an hour`, context);
  const delayMs = Math.min(MINUTE_MS, Math.max(SECOND_MS, ageMs));
  return {
    transition: requeue(head.id, withHead(text, head, { ...notes, unknownSince: since }), delayMs, 'tail'),
    signal: 'unknown',
    delayMs,
  };
}

function requeue(id: string, text: string, delayMs: number, at: 'head' | 'tail'): Transition {
  return { kind: 'requeue', id, text, delayMs, at };
}

function settle(
  message: Message,
  state: Exclude<FinalState, 'done' | 'dead'>,
  payload: string,
  ttlMs: number,
  signal: Decision['signal'],
  context: DecisionContext,
  error?: ErrorInfo,
): Decision {
  const transition: Transition = {
    kind: 'settle',
    id: message.head.id,
    record: encodeRecord(state, payload),
    ttlSeconds: Math.ceil(ttlMs / SECOND_MS),
  };
  return { transition: withEffects(transition, afterEnd(message, state, error, context)), signal };
}

function bury(message: Message, text: string, reason: string, context: DecisionContext): Decision {
  const decision = buried(message.head.id, text, reason);
  const error = { name: 'TaskDead', message: reason, code: 'dead' };
  return { ...decision, transition: withEffects(decision.transition, afterEnd(message, 'dead', error, context)) };
}

function buried(id: string, text: string, reason: string): Decision {
  const record = encodeRecord('dead', JSON.stringify({ reason }));
  return { transition: { kind: 'bury', id, text, reason, record, ttlSeconds: RESULT_TTL_MS / SECOND_MS }, signal: 'dead' };
}

function afterSuccess(body: Body, next: EnqueueItem | undefined, contribution: string | undefined): Effects {
  return {
    ...ownEnd(body),
    ...(next === undefined ? {} : { enqueue: [next] }),
    ...(body.chord === undefined || body.next !== undefined ? {} : { chord: { ...body.chord, value: contribution ?? 'null' } }),
  };
}

/** It ended otherwise than done: a handler learns of an error, later stages never run, a chord goes on without it. */
function afterEnd({ head, body }: Message, state: FinalState, error: ErrorInfo | undefined, context: DecisionContext): Effects {
  const { ids, chord } = laterStages(body);
  const cause = `task ${head.id} (${head.name}) before it ended as ${state}${error === undefined ? '' : `: ${error.message}`}`;
  return {
    ...ownEnd(body),
    ...handling(body.onError, error, context),
    ...endsAlong(ids, cause),
    ...(chord === undefined ? {} : { chord: { ...chord, value: error === undefined ? 'null' : encode(errorOf(error)) } }),
  };
}

/** One whose arguments leave no room for the error is not called: the rest of what belongs to the end must not fall with it. */
function handling(handler: Stage | undefined, error: ErrorInfo | undefined, { codec }: DecisionContext): Pick<Effects, 'enqueue'> {
  if (handler === undefined || error === undefined) return {};
  try {
    return { enqueue: [handlerItem(handler, error, codec)] };
  } catch (failure) {
    if (failure instanceof PayloadError) return {};
    throw failure;
  }
}

/** What it holds itself. */
function ownEnd({ collect, unique }: Body): Effects {
  return {
    ...(collect === undefined ? {} : { endChord: collect }),
    ...(unique === undefined ? {} : { freeUnique: unique.key }),
  };
}

function withEffects<T extends Transition>(transition: T, effects: Effects): T {
  return Object.keys(effects).length === 0 ? transition : { ...transition, effects };
}
