/** A reload of the module while tasks come in at a steady rate: nothing may be lost, nothing may fail, nothing may stand still. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Supervisor } from '../../src/actors/supervisor.js';
import type { Bench } from '../bench.js';
import { untilEnded } from '../drain.js';
import { CheckFailed, checkDrained } from '../queues/queue-view.js';
import type { Figures, Scenario } from '../rounds.js';
import { nowMs } from '../shared-clock.js';
import { readRuns, type Run } from './journal.js';
import type { ControlOptions } from './options.js';
import { CONTROL_WORKERS, control, none, noteTarget, type ControlStage } from './stage.js';

const PER_SECOND = 5000;
const SECONDS = 9;
const QUICK_PER_SECOND = 300;
const QUICK_SECONDS = 3;
/** Seen from the first and the last start: there the rate is not steady. */
const EDGE_MS = 100;
const TARGET_PAUSE_MS = 250;

export function reload(bench: Bench, { quick }: ControlOptions): Scenario {
  const perSecond = quick ? QUICK_PER_SECOND : PER_SECOND;
  const seconds = quick ? QUICK_SECONDS : SECONDS;
  const contestant = control(bench, (stage) => reloadUnder(bench, stage, perSecond, seconds));
  return {
    name: 'reload',
    title: `the module is loaded anew under ${perSecond} tasks/s for ${seconds} s, ${CONTROL_WORKERS} workers; 0 lost and 0 failed or it is an error`,
    metrics: [
      { name: 'pause', unit: 'ms, the longest in which no task began, from the reload on', better: 'lower' },
      { name: 'pause before', unit: 'ms, the same before the reload', better: 'lower' },
      { name: 'reload', unit: 'ms from the call to its end', better: 'lower' },
      { name: 'repeated', unit: 'tasks that ran more than once', better: 'lower' },
    ],
    contestants: [
      'reload' in Supervisor.prototype ? contestant : { ...contestant, unavailable: 'not available' },
      none('bullmq', 'its jobs run in the code that the process began with'),
    ],
  };
}

async function reloadUnder(
  bench: Bench,
  { consumer, producer, view, journal }: ControlStage,
  perSecond: number,
  seconds: number,
): Promise<Figures> {
  const count = perSecond * seconds;
  const load = producer.call('load', { count, perSecond, journal: journal() });
  const reloading = sleep((seconds / 3) * 1000).then(async () => {
    const beganAtMs = nowMs();
    await consumer.call('reload', undefined);
    return { beganAtMs, tookMs: nowMs() - beganAtMs };
  });
  const [offered, { beganAtMs, tookMs }] = await Promise.all([load, reloading]);
  await untilEnded(view, count);
  // Each of them has ended well, with its own number: none is lost and none has failed.
  await checkDrained(view, count);
  if (offered < perSecond * 0.9) throw new CheckFailed(`the producer offered ${Math.round(offered)} tasks/s and not ${perSecond}`);
  const runs = readRuns(journal());
  checkCode(runs, beganAtMs, tookMs);
  const before = longestPause(runs.filter(({ atMs }) => atMs < beganAtMs));
  const after = longestPause(runs.filter(({ atMs }) => atMs >= beganAtMs));
  noteTarget(bench, 'ms of the longest pause', after, TARGET_PAUSE_MS);
  return { pause: after, 'pause before': before, reload: tookMs, repeated: runs.length - count };
}

/** @throws CheckFailed where the old code went on, or there is no new code, or the reload came when all was over */
function checkCode(runs: readonly Run[], beganAtMs: number, tookMs: number): void {
  const isNew = ({ loadedAtMs = 0 }: Run): boolean => loadedAtMs > beganAtMs;
  if (runs.every(isNew) || !runs.some(isNew)) throw new CheckFailed('not both the old and the new code ran');
  const last = runs.at(-1);
  if (last === undefined || !isNew(last)) throw new CheckFailed(`the old code still ran at the end, though the reload took ${tookMs} ms`);
}

function longestPause(runs: readonly Run[]): number {
  const [firstMs = 0, lastMs = 0] = [runs.at(0)?.atMs, runs.at(-1)?.atMs];
  let longest = 0;
  for (const [k, { atMs }] of runs.entries()) {
    const previousMs = runs[k - 1]?.atMs ?? atMs;
    if (previousMs >= firstMs + EDGE_MS && atMs <= lastMs - EDGE_MS) longest = Math.max(longest, atMs - previousMs);
  }
  return longest;
}
