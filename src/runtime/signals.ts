/** Signals: what a module can be told of its tasks, and which of them the end of a run gives. The names are Huey's. */
import type { Decision, Outcome } from './lifecycle.js';
import type { TaskAccounts } from './run-accounts.js';

export const SIGNALS = [
  'enqueued',
  'executing',
  'complete',
  'error',
  'canceled',
  'retrying',
  'scheduled',
  'revoked',
  'expired',
  'locked',
  'timeout',
  'rate-limited',
  'interrupted',
] as const;

export type SignalName = (typeof SIGNALS)[number];

/** The task as handlers and hooks see it. */
export interface SignalTask {
  readonly id: string;
  readonly name: string;
  readonly args: readonly unknown[];
  /** What the call gave as `meta`. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** As hooks behind the function see it. */
export interface AccountedTask extends SignalTask {
  /** What the run took so far; the hooks before the function do not count. */
  readonly accounts: TaskAccounts;
}

/** What to tell of the end of a run, in this order. */
export function signalsOf(outcome: Outcome, { transition }: Pick<Decision, 'transition'>): SignalName[] {
  const signal = signalOf(outcome);
  if (signal === undefined) return [];
  return transition.kind === 'requeue' && signal !== 'retrying' && signal !== 'interrupted' ? [signal, 'retrying'] : [signal];
}

function signalOf(outcome: Outcome): SignalName | undefined {
  switch (outcome.kind) {
    case 'complete':
    case 'error':
    case 'locked':
    case 'rate-limited':
    case 'timeout':
    case 'expired':
    case 'revoked':
    case 'interrupted':
      return outcome.kind;
    case 'retry':
      return 'retrying';
    case 'cancel':
      return 'canceled';
    case 'crashed':
      return 'interrupted';
    case 'dead':
      return 'error';
    case 'malformed':
    case 'unknown-task':
    case 'not-started':
    case 'postponed':
      return undefined;
  }
}
