/** From the call of `cancel` in another process to the TaskCanceled of who waits there, of tasks that listen to nothing. */
import type { Bench } from '../bench.js';
import { CheckFailed, checkEnded } from '../queues/queue-view.js';
import type { Scenario } from '../rounds.js';
import { readRuns } from './journal.js';
import { N_DEFAULT, type ControlOptions } from './options.js';
import { CONTROL_WORKERS, control, none, noteTarget, timeFigures, timeMetrics } from './stage.js';
import { GRACE_SECONDS } from './tasks.js';

const CANCELS = 200;
const GRACE_MS = GRACE_SECONDS * 1000;
const TARGET_MS = 100;

export function cancel(bench: Bench, { n }: ControlOptions): Scenario {
  const count = Math.max(2, Math.round((CANCELS * n) / N_DEFAULT));
  return {
    name: 'cancel',
    title: `${count} running endless loops, canceled from another process, ${CONTROL_WORKERS} workers all looping; the grace of ${GRACE_SECONDS} s is not counted`,
    metrics: timeMetrics('ms beyond the grace, from the call of cancel to the end for who waits'),
    contestants: [
      control(bench, async ({ producer, view, journal }) => {
        const timesMs = await producer.call('cancel', { count, atOnce: CONTROL_WORKERS, journal: journal() });
        await checkEnded(view, count);
        check(timesMs, readRuns(journal()).length, count);
        const figures = timeFigures(timesMs.map((ms) => ms - GRACE_MS));
        noteTarget(bench, 'p99 of ms beyond the grace', figures.p99, TARGET_MS);
        return figures;
      }),
      none('bullmq', 'a cancel reaches only jobs of the same process that listen'),
    ],
  };
}

function check(timesMs: readonly number[], runs: number, count: number): void {
  if (timesMs.length !== count || runs !== count) throw new CheckFailed(`${count} tasks made ${runs} runs and ${timesMs.length} cancels`);
  const shortest = Math.min(...timesMs);
  // Timers count whole milliseconds.
  if (shortest < GRACE_MS - 1) throw new CheckFailed(`a loop ended after ${shortest} ms, before its grace was over: it was not running`);
}
