/** What has ended and travels with the next call. */
import type { Transition } from '../runtime/storage.js';
import type { PendingSignal } from './protocol.js';

export class Settled {
  readonly completions: Uint8Array[] = [];
  /** For each completion the receipt of its chunk, where it is the end of the whole chunk. */
  readonly receipts: (string | undefined)[] = [];
  readonly transitions: Transition[] = [];
  /** Told when the call that commits them has counted. */
  readonly signals: PendingSignal[] = [];

  get isEmpty(): boolean {
    return this.completions.length === 0 && this.transitions.length === 0;
  }
}
