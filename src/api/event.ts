/** One event: what a consumer did, as data that other processes can watch. Names and fields are those of Huey 1.x. */
import type { Decision, ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import { SECOND_MS } from '../runtime/limits.js';
import type { Message } from '../runtime/message.js';
import { taskAccounts, type RunFigures, type TaskAccounts } from '../runtime/run-accounts.js';
import { decodeText, encode } from '../runtime/serializer.js';
import { signalsOf, type SignalName } from '../runtime/signals.js';

export type EventStatus =
  // Those of 1.x.
  | 'checking-periodic'
  | 'error-dequeueing'
  | 'error-enqueueing'
  | 'error-internal'
  | 'error-scheduling'
  | 'error-storing-result'
  | 'error-task'
  | 'finished'
  | 'locked'
  | 'retrying'
  | 'revoked'
  | 'scheduled'
  | 'scheduling-periodic'
  | 'started'
  // What 1.x did not know.
  | 'canceled'
  | 'expired'
  | 'timeout'
  | 'rate-limited'
  | 'interrupted'
  | 'enqueued'
  | 'progress'
  /** Some events may have been missed: the connection was lost, or this reader was too slow. */
  | 'gap';

export interface HueyEvent {
  readonly status: EventStatus;
  /** Whether it tells of an error. */
  readonly error: boolean;
  /** When it happened, seconds since 1970. */
  readonly timestamp: number;
  /** The invocation. */
  readonly id?: string;
  /** The name of its task. */
  readonly task?: string;
  /** Retries that are left. */
  readonly retries?: number;
  /** Seconds before its first retry. */
  readonly retryDelay?: number;
  /** When it is due, seconds since 1970, where it waits for that. */
  readonly executeTime?: number;
  /** Seconds that it ran. */
  readonly duration?: number;
  /** Seconds of its thread on a processor meanwhile, where that can be had. */
  readonly cpu?: number;
  /** Seconds that it waited to start, where they are known (TaskAccounts). */
  readonly wait?: number;
  /** Of what ran: its runs so far, this one too. */
  readonly attempts?: number;
  readonly traceback?: string;
  /** Of `progress`. */
  readonly value?: unknown;
}

export interface TaskEventExtras {
  error?: ErrorInfo;
  /** What the run took. */
  ran?: RunFigures;
  /** By the storage's clock. */
  dueAtMs?: number;
  value?: unknown;
}

const BY_SIGNAL: Partial<Record<SignalName, EventStatus>> = { complete: 'finished', error: 'error-task', executing: 'started' };
const ERRORS: readonly EventStatus[] = ['error-task', 'error-internal', 'timeout'];

/** What to publish of the end of a run, in this order: its signals, and `scheduled` where it waits for the next try. */
export function eventStatusesOf(outcome: Outcome, decision: Pick<Decision, 'transition'>): EventStatus[] {
  const statuses = signalsOf(outcome, decision).map(statusOfSignal);
  const { transition } = decision;
  const waits = transition.kind === 'requeue' && transition.delayMs > 0;
  return waits && statuses.includes('retrying') ? [...statuses, 'scheduled'] : statuses;
}

export function statusOfSignal(signal: SignalName): EventStatus {
  return BY_SIGNAL[signal] ?? (signal as EventStatus);
}

/** `now` is ms since 1970. */
export function taskEvent(
  status: EventStatus,
  { head, body }: Pick<Message, 'head' | 'body'>,
  now: number,
  extras: TaskEventExtras = {},
): HueyEvent {
  const { error, ran, dueAtMs } = extras;
  return {
    status,
    error: ERRORS.includes(status),
    timestamp: now / SECOND_MS,
    id: head.id,
    task: head.name,
    retries: head.retries,
    retryDelay: (body.retryDelayMs ?? 0) / SECOND_MS,
    ...(dueAtMs === undefined ? {} : { executeTime: dueAtMs / SECOND_MS }),
    ...(ran === undefined ? {} : figuresOf(taskAccounts(ran, head))),
    ...(error?.stack === undefined || !ERRORS.includes(status) ? {} : { traceback: error.stack }),
    ...('value' in extras ? { value: extras.value } : {}),
  };
}

function figuresOf({ wall, ...rest }: TaskAccounts): Partial<HueyEvent> {
  return { duration: wall, ...rest };
}

/** An event that concerns no task. `now` is ms since 1970. */
export function plainEvent(status: EventStatus, now: number): HueyEvent {
  return { status, error: ERRORS.includes(status), timestamp: now / SECOND_MS };
}

export function gapEvent(now: number): HueyEvent {
  return plainEvent('gap', now);
}

/** For `publishEvents`. */
export function encodeEvent(event: HueyEvent): string {
  return encode(event, 'event');
}

/** Undefined where the text is no event. */
export function decodeEvent(text: string): HueyEvent | undefined {
  try {
    const event = decodeText(text) as Partial<HueyEvent> | null;
    return typeof event === 'object' && typeof event?.status === 'string' ? (event as HueyEvent) : undefined;
  } catch {
    return undefined;
  }
}
