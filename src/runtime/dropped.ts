/** What a task comes to that was handed over because it may not start. */
import { CANCEL_REASON } from './canceling.js';
import type { Outcome } from './lifecycle.js';
import type { Dropped } from './storage.js';

export function droppedOutcome(state: Dropped['state']): Outcome {
  switch (state) {
    case 'canceled':
      return { kind: 'cancel', retry: false, reason: CANCEL_REASON };
    case 'dead':
      return { kind: 'dead', reason: 'process after process died while it ran alone' };
    case 'revoked':
    case 'expired':
      return { kind: state };
  }
}
