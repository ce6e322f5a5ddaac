/** From the death of a thread by its task to the second run of that task, one at a time. */
import path from 'node:path';
import type { Bench } from '../bench.js';
import { SYSTEMS } from '../contestants.js';
import { untilEnded } from '../drain.js';
import { CheckFailed, checkEnded } from '../queues/queue-view.js';
import type { Contestant, Figures, Scenario } from '../rounds.js';
import { readRuns } from './journal.js';
import { N_DEFAULT, type ControlOptions } from './options.js';
import { CONTROL_WORKERS, inTempDir, none, timeFigures, timeMetrics } from './stage.js';

const DEATHS = 100;

export function death(bench: Bench, { n, peers }: ControlOptions): Scenario {
  const count = Math.max(2, Math.round((DEATHS * n) / N_DEFAULT));
  return {
    name: 'death',
    title: `${count} tasks that take their thread down (process.exit) the first time, one after the other, ${CONTROL_WORKERS} threads`,
    metrics: timeMetrics('ms from process.exit to the second run of the task'),
    contestants: [
      dier(bench, 'huey-runtime', count),
      // Its jobs fail with their thread; with two attempts they are run again.
      ...(peers ? [dier(bench, 'bullmq-threads', count)] : []),
      none('bullmq', 'process.exit in a job ends the whole consumer'),
    ],
  };
}

function dier(bench: Bench, name: 'huey-runtime' | 'bullmq-threads', count: number): Contestant {
  const spec = SYSTEMS[name];
  return {
    name,
    label: spec.label,
    run: () =>
      inTempDir((folder) =>
        bench.stage(spec, async ({ start, view }): Promise<Figures> => {
          const [consumer, producer] = [start(), start()];
          const { threads } = spec.consume;
          await consumer.call('consume', { workers: CONTROL_WORKERS, concurrency: threads ? CONTROL_WORKERS : 1, threads, watched: false });
          const timesMs: number[] = [];
          for (let i = 0; i < count; i++) {
            const journal = path.join(folder, String(i));
            await producer.call('fill', { task: 'die', n: 1, more: { journal }, attempts: 2 });
            await untilEnded(view, i + 1);
            timesMs.push(timeBetweenRuns(journal));
          }
          await producer.stop();
          await consumer.stop();
          await checkEnded(view, count);
          const values = (await view.values()) ?? [];
          if (values.some((value) => value !== 0)) throw new CheckFailed('a task ended with a value that is not its own');
          return timeFigures(timesMs);
        }),
      ),
  };
}

function timeBetweenRuns(journal: string): number {
  const [first, second, third] = readRuns(journal);
  if (first === undefined || second === undefined || third !== undefined)
    throw new CheckFailed('a task whose thread died in its first run alone did not run exactly twice');
  return second.atMs - first.atMs;
}
