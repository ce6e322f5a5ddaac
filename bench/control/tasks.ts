/** The module that the consumer of the control scenarios loads. It imports what a user's would, and nothing slow. */
import { createHuey } from '../../src/api/index.js';
import { QUEUE, type TaskData } from '../systems/protocol.js';
import { nowMs } from '../shared-clock.js';
import { writeRun } from './journal.js';

/** Which code a thread runs: what was loaded after a reload began is new. */
const loadedAtMs = nowMs();

export const LOOP_TIMEOUT_SECONDS = 1;
export const GRACE_SECONDS = 0.2;
const BRIEF_TIMEOUT_SECONDS = 0.02;

/** What every task of this module is called with. */
export type Noted = Required<Pick<TaskData, 'n' | 'journal'>>;

export const huey = createHuey(QUEUE);

function endless({ n, journal }: Noted): number {
  writeRun(journal, n);
  for (;;);
}

export const loop = huey.task({ name: 'loop', timeout: LOOP_TIMEOUT_SECONDS, grace: GRACE_SECONDS }, endless);
export const brief = huey.task({ name: 'brief', timeout: BRIEF_TIMEOUT_SECONDS, grace: 0 }, endless);
export const stuck = huey.task({ name: 'stuck', grace: GRACE_SECONDS }, endless);
export const quick = huey.task({ name: 'quick' }, ({ n, journal }: Noted): number => {
  writeRun(journal, n, loadedAtMs);
  return n;
});
