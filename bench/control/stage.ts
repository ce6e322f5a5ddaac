/** The start that the control scenarios share: a consumer with four threads, and a producer that waits in another process. */
import path from 'node:path';
import { makeTempDir, removeDir } from '../../test/support/temp-dir.js';
import type { Bench } from '../bench.js';
import type { ChildSystem } from '../child-system.js';
import { SYSTEMS, type SystemSpec } from '../contestants.js';
import { CheckFailed, type QueueView } from '../queues/queue-view.js';
import type { Contestant, Figures, Metric } from '../rounds.js';
import { quantile } from '../statistics.js';
import type { Endings } from './protocol.js';

export const CONTROL_WORKERS = 4;
const consume = { workers: CONTROL_WORKERS, concurrency: 1, threads: false, watched: true };
const CONTROL: SystemSpec = {
  ...SYSTEMS['huey-runtime'],
  entry: new URL('./huey.js', import.meta.url),
  consume: { workers: CONTROL_WORKERS, threads: false },
};

export interface ControlStage {
  consumer: ChildSystem;
  producer: ChildSystem;
  view: QueueView;
  /** A file of this stage's, which is there as soon as a task writes into it. */
  journal: (name?: string) => string;
}

/** huey-runtime as a contestant, from a clean start in each run. Both processes must also end in good order. */
export function control(bench: Bench, run: (stage: ControlStage) => Promise<Figures>): Contestant {
  return {
    name: CONTROL.name,
    label: CONTROL.label,
    run: () =>
      inTempDir((folder) =>
        bench.stage(CONTROL, async ({ start, view }) => {
          const [consumer, producer] = [start(), start()];
          await consumer.call('consume', consume);
          const figures = await run({ consumer, producer, view, journal: (name = 'journal') => path.join(folder, name) });
          await producer.stop();
          await consumer.stop();
          return figures;
        }),
      ),
  };
}

/** What has no such thing, and why. */
export function none(name: 'bullmq' | 'bullmq-threads', reason: string): Contestant {
  return { name, label: SYSTEMS[name].label, unavailable: `none: ${reason}`, run: () => Promise.reject(new Error(reason)) };
}

/** Every task that was waited for has ended, and in this way. @throws CheckFailed */
export function checkEndings(endings: Endings, ending: string, count: number): void {
  const others = Object.entries(endings).filter(([name]) => name !== ending);
  if (endings[ending] !== count || others.length > 0)
    throw new CheckFailed(`of ${count} tasks that should end as ${ending} there were ${JSON.stringify(endings)}`);
}

export function timeMetrics(unit: string): Metric[] {
  return [
    { name: 'p50', unit, better: 'lower' },
    { name: 'p99', unit: 'ms', better: 'lower' },
    { name: 'longest', unit: 'ms', better: 'lower' },
  ];
}

export function timeFigures(timesMs: readonly number[]): { p50: number; p99: number; longest: number } {
  return { p50: quantile(timesMs, 0.5), p99: quantile(timesMs, 0.99), longest: Math.max(...timesMs) };
}

/** Says beside the figures whether the promised one was kept. A note and no error: a busy machine is not a broken program. */
export function noteTarget(bench: Bench, what: string, value: number, target: number): void {
  bench.note(`target ${what}`, `target ${value < target ? 'met' : 'MISSED'}: ${what} ${value.toFixed(1)}, under ${target}`);
}

export async function inTempDir<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeTempDir();
  try {
    return await run(folder);
  } finally {
    await removeDir(folder);
  }
}
