/** Drains of tasks that take their time: calculation, which needs a core each, and waiting, which needs none. */
import type { Bench } from '../bench.js';
import { BARE_ENTRY, WORKERS } from '../contestants.js';
import type { BestConcurrency, DrainWork } from '../drain.js';
import type { Contestant, Scenario } from '../rounds.js';
import type { SystemCalls } from '../systems/protocol.js';
import { spinsFor } from '../systems/work.js';
import { drainers } from './drains.js';

const CPU_MS = 50;
const CPU_TASKS = 400;
const POLL_MS = 100;
const PLACES = 100;
const WAIT_TASKS = 30_000;

export function drainCpu(bench: Bench, best: BestConcurrency): Scenario {
  const spins = spinsFor(CPU_MS);
  const work: DrainWork = { task: 'cpu', n: bench.sized(CPU_TASKS, 40), spins, sweepN: 40, pollMs: POLL_MS };
  return {
    name: 'drain-cpu',
    title: `${work.n} tasks of ${CPU_MS} ms of calculation, ${WORKERS} threads; beside them bare threads with the same function`,
    metrics: [
      { name: 'rate', unit: 'tasks/s', better: 'higher' },
      { name: 'loop', unit: 'ms, p99 of the event loop delay of the consumer', better: 'lower' },
    ],
    contestants: [
      ...drainers(bench, best, work, ['huey-runtime', 'bullmq', 'bullmq-threads'], ({ perSecond, facts }) => ({
        rate: perSecond,
        loop: facts.loopDelayP99Ms,
      })),
      bareThreads(bench, { task: 'cpu', n: work.n, places: 1, spins }),
    ],
  };
}

export function drainAsync(bench: Bench, best: BestConcurrency): Scenario {
  const work: DrainWork = { task: 'wait', n: bench.sized(WAIT_TASKS, 1000), sweepN: 1000, places: PLACES };
  const contestants = drainers(bench, best, work, ['huey-runtime', 'bullmq', 'bee-queue']);
  return {
    name: 'drain-async',
    title: `${work.n} tasks that wait 10 ms, ${PLACES} places in all; beside them bare threads with as many timers`,
    metrics: [{ name: 'rate', unit: 'tasks/s', better: 'higher' }],
    contestants: [...contestants, bareThreads(bench, { task: 'wait', n: work.n, places: PLACES / WORKERS, spins: 0 })],
  };
}

function bareThreads(bench: Bench, work: Omit<SystemCalls['threads']['argument'], 'threads'>): Contestant {
  return {
    name: 'bare',
    label: `${WORKERS} bare threads`,
    run: () => bench.bareStage(BARE_ENTRY, async (child) => ({ rate: await child.call('threads', { ...work, threads: WORKERS }) })),
  };
}
