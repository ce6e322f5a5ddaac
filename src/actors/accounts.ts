/** The accounts of a thread that is gone: what became of each task that its place held. */
import type { Outcome } from '../runtime/lifecycle.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import { stoppedOutcome, type Lane } from './lane.js';
import { Slot } from './lane-memory.js';
import type { Place } from './place.js';

export interface Accounts {
  completed(lane: Lane, bytes: Uint8Array): void;
  /** These had not started. */
  tookBack(texts: string[]): void;
  /** `ran`: as far as it was seen. */
  ended(text: string, outcome: Outcome, ran?: RunFigures): void;
}

/** Nothing changes the lanes of the place any more; they are empty afterwards. */
export function accountFor(place: Place, reason: string, accounts: Accounts): void {
  // One that was stopped and went on may be the cause as well as one that was not.
  const running = place.lanes.reduce((sum, lane) => sum + lane.slotsIn(Slot.RUNNING, Slot.STOPPING).length, 0);
  for (const lane of place.lanes) {
    const bytes = lane.collect();
    if (bytes) accounts.completed(lane, bytes);
    accounts.tookBack(lane.takeBack());
    for (const slot of lane.slotsIn(Slot.RUNNING)) {
      accounts.ended(lane.message(slot), { kind: 'crashed', alone: running === 1, reason }, ranOf(lane, slot));
    }
    for (const slot of lane.slotsIn(Slot.STOPPING)) {
      accounts.ended(lane.message(slot), stoppedOutcome(lane, slot) ?? { kind: 'interrupted' }, ranOf(lane, slot));
    }
    // It died between the end of the function and the end of its record.
    for (const slot of lane.slotsIn(Slot.COMMITTING)) accounts.ended(lane.message(slot), { kind: 'interrupted' });
    lane.unload();
  }
  place.alone = false;
}

/** Since it was first seen to run; its thread can tell nothing any more. */
function ranOf({ runs }: Lane, slot: number): RunFigures | undefined {
  const run = runs.get(slot);
  return run === undefined ? undefined : { wallMs: performance.now() - run.since };
}
