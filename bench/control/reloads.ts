/** A reload of the module while tasks come in at a steady rate: nothing may be lost, nothing may fail, nothing may stand still. */
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../../test/support/poll.js';
import type { Bench } from '../bench.js';
import { untilEnded } from '../drain.js';
import { CheckFailed, checkDrained } from '../queues/queue-view.js';
import type { Figures, Scenario } from '../rounds.js';
import { nowMs } from '../shared-clock.js';
import { readRuns, type Run } from './journal.js';
import type { ControlOptions } from './options.js';
import { CONTROL_WORKERS, control, none, noteTarget, type ControlStage } from './stage.js';

const PER_SECOND = 5000;
const QUICK_PER_SECOND = 300;
/** The load lasts so long before the reload, and after it. */
const PART_MS = 3000;
const QUICK_PART_MS = 1000;
/** A producer that does not keep the rate loads nothing. */
const OFFERED_SHARE_MIN = 0.9;
/** Seen from the first and the last start: there the rate is not steady. */
const EDGE_MS = 100;
const TARGET_PAUSE_MS = 250;

export function reload(bench: Bench, { quick }: ControlOptions): Scenario {
  const perSecond = quick ? QUICK_PER_SECOND : PER_SECOND;
  return {
    name: 'reload',
    title: `the module is loaded anew under ${perSecond} tasks/s, ${CONTROL_WORKERS} workers; 0 lost and 0 failed or it is an error`,
    metrics: [
      { name: 'pause', unit: 'ms, the longest in which no task began, from the reload on', better: 'lower' },
      { name: 'pause before', unit: 'ms, the same before the reload', better: 'lower' },
      { name: 'reload', unit: 'ms from the call to its end', better: 'lower' },
      { name: 'repeated', unit: 'tasks that ran more than once', better: 'lower' },
    ],
    contestants: [
      control(bench, (stage) => reloadUnder(bench, stage, perSecond)),
      none('bullmq', 'its jobs run in the code that the process began with'),
    ],
  };
}

async function reloadUnder(bench: Bench, { consumer, producer, view, journal }: ControlStage, perSecond: number): Promise<Figures> {
  const { quick } = bench.options;
  const partMs = quick ? QUICK_PART_MS : PART_MS;
  await producer.call('beginLoad', { perSecond, journal: journal() });
  await poll('the first task', () => readRuns(journal()).length > 0);
  await sleep(partMs);
  const beganAtMs = nowMs();
  await consumer.call('reload', undefined);
  const tookMs = nowMs() - beganAtMs;
  await sleep(partMs);
  const { count, perSecond: offered } = await producer.call('endLoad', undefined);
  await untilEnded(view, count);
  // Each of them has ended well, with its own number: none is lost and none has failed.
  await checkDrained(view, count);
  if (!quick && offered < perSecond * OFFERED_SHARE_MIN)
    throw new CheckFailed(`the producer offered ${Math.round(offered)} tasks/s and not ${perSecond}`);
  const runs = readRuns(journal());
  checkCode(runs, beganAtMs);
  const pauses = pausesOf(runs);
  const before = longest(pauses.filter(({ endMs }) => endMs < beganAtMs));
  const after = longest(pauses.filter(({ endMs }) => endMs >= beganAtMs));
  noteTarget(bench, 'ms of the longest pause', after, TARGET_PAUSE_MS);
  return { pause: after, 'pause before': before, reload: tookMs, repeated: runs.length - count };
}

/** @throws CheckFailed where the old code goes on, or there is no new code */
function checkCode(runs: readonly Run[], beganAtMs: number): void {
  const isNew = ({ loadedAtMs = 0 }: Run): boolean => loadedAtMs > beganAtMs;
  if (runs.every(isNew) || !runs.some(isNew)) throw new CheckFailed('not both the old and the new code ran');
  const last = runs.at(-1);
  if (last === undefined || !isNew(last)) throw new CheckFailed('the old code still ran at the end, long after the reload');
}

/** The times in which no task began, without the edges. */
function pausesOf(runs: readonly Run[]): { ms: number; endMs: number }[] {
  const [firstMs = 0, lastMs = 0] = [runs.at(0)?.atMs, runs.at(-1)?.atMs];
  const steady = runs.map(({ atMs }) => atMs).filter((atMs) => atMs >= firstMs + EDGE_MS && atMs <= lastMs - EDGE_MS);
  return steady.slice(1).map((endMs, k) => ({ ms: endMs - (steady[k] ?? NaN), endMs }));
}

function longest(pauses: readonly { ms: number }[]): number {
  if (pauses.length === 0) throw new CheckFailed('too few tasks began to tell how long none did');
  // In a loop: there are more of them than a call may have arguments.
  return pauses.reduce((most, { ms }) => Math.max(most, ms), 0);
}
