/** Draining a queue that was filled beforehand. */
import type { Bench } from '../bench.js';
import { SYSTEMS, type SystemName } from '../contestants.js';
import { drain, type BestConcurrency, type DrainRun, type DrainWork } from '../drain.js';
import { bareLimit } from './limit.js';
import type { Contestant, Figures, Scenario } from '../rounds.js';

const RATE = { name: 'rate', unit: 'tasks/s', better: 'higher' } as const;
const SWEEP_N = 10_000;

export function drainNoop(bench: Bench, best: BestConcurrency): Scenario {
  const work: DrainWork = { task: 'noop', n: bench.options.n, sweepN: bench.sized(SWEEP_N, 500) };
  return {
    name: 'drain-noop',
    title: `${work.n} tasks that return their argument, results stored, 2 workers`,
    metrics: [RATE],
    contestants: [...drainers(bench, best, work, ['huey-runtime', 'bullmq', 'bee-queue', 'huey-sqlite']), bareLimit(bench)],
  };
}

export function drainNoopThreads(bench: Bench, best: BestConcurrency): Scenario {
  const work: DrainWork = { task: 'noop', n: bench.options.n, sweepN: bench.sized(SWEEP_N / 4, 300) };
  return {
    name: 'drain-noop-threads',
    title: `${work.n} tasks that return their argument, each system in worker threads`,
    metrics: [RATE],
    contestants: drainers(bench, best, work, ['huey-runtime', 'bullmq-threads']),
  };
}

export function drainers(
  bench: Bench,
  best: BestConcurrency,
  work: DrainWork,
  names: readonly SystemName[],
  figures: (run: DrainRun) => Figures = ({ perSecond }) => ({ rate: perSecond }),
): Contestant[] {
  return names.map((name) => {
    const spec = SYSTEMS[name];
    return { name, label: spec.label, run: async () => figures(await drain(bench, spec, work, await best.of(spec, work))) };
  });
}
