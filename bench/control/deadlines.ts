/** From the deadline of an endless loop to the next task in its place, when there is nothing but endless loops. */
import type { Bench } from '../bench.js';
import { CheckFailed, checkEnded } from '../queues/queue-view.js';
import type { Scenario } from '../rounds.js';
import { readRuns } from './journal.js';
import type { ControlOptions } from './options.js';
import { CONTROL_WORKERS, checkEndings, control, none, noteTarget, timeFigures, timeMetrics } from './stage.js';
import { GRACE_SECONDS, LOOP_TIMEOUT_SECONDS } from './tasks.js';

const TIMEOUT_MS = LOOP_TIMEOUT_SECONDS * 1000;
const GRACE_MS = GRACE_SECONDS * 1000;
const TARGET_MS = 150;

export function deadline(bench: Bench, { n }: ControlOptions): Scenario {
  // The last ones have no successor; so there are as many more as there are places.
  const count = n + CONTROL_WORKERS;
  return {
    name: 'deadline',
    title: `${n} endless loops with a timeout of ${LOOP_TIMEOUT_SECONDS} s and a grace of ${GRACE_SECONDS} s on ${CONTROL_WORKERS} workers; the grace is not counted`,
    metrics: timeMetrics('ms beyond the grace, from the deadline to the next start in its place'),
    contestants: [
      control(bench, async ({ producer, view, journal }) => {
        checkEndings(await producer.call('settle', { task: 'loop', count, journal: journal() }), 'timeout', count);
        await checkEnded(view, count);
        const times = timesToNextStart(startsOf(journal(), count)).map((ms) => ms - GRACE_MS);
        const figures = timeFigures(times);
        noteTarget(bench, 'p99 of ms beyond the grace', figures.p99, TARGET_MS);
        return figures;
      }),
      none('bullmq', 'no timeout ends a job that loops'),
    ],
  };
}

/** When they began, in order. @throws CheckFailed where one ran twice or never */
function startsOf(journal: string, count: number): number[] {
  const runs = readRuns(journal);
  const distinct = new Set(runs.map(({ n }) => n)).size;
  if (runs.length !== count || distinct !== count)
    throw new CheckFailed(`${count} loops made ${runs.length} runs of ${distinct} different tasks; each runs once`);
  return runs.map(({ atMs }) => atMs);
}

/**
 * All places are taken all the time, and whoever began first is over first: so the place of the k-th start is the one that
 * the start `CONTROL_WORKERS` later gets. Where two threads change the order between them, the one's time is longer
 * by what the other's is shorter.
 */
function timesToNextStart(startsMs: readonly number[]): number[] {
  return startsMs.slice(CONTROL_WORKERS).map((nextMs, k) => {
    const ms = nextMs - ((startsMs[k] ?? NaN) + TIMEOUT_MS);
    if (!(ms >= 0)) throw new CheckFailed(`a place was free ${-ms} ms before the deadline of who had it`);
    return ms;
  });
}
