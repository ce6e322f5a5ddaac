/** Memory: of the server for tasks that wait, and of a consumer. */
import type { Bench } from '../bench.js';
import { SYSTEMS } from '../contestants.js';
import { consume, untilEnded } from '../drain.js';
import { CheckFailed, checkDrained } from '../queues/queue-view.js';
import type { Scenario } from '../rounds.js';

const WAITING = 100_000;
const MIB = 2 ** 20;
const PEER_CONCURRENCY = 100;

export function memoryWaiting(bench: Bench): Scenario {
  const n = bench.sized(WAITING, 2000);
  return {
    name: 'memory-waiting',
    title: `${n} tasks with the argument { n: 1 } wait`,
    metrics: [{ name: 'bytes', unit: 'bytes of the Redis server for a task', better: 'lower' }],
    contestants: (['huey-runtime', 'bullmq', 'bee-queue'] as const).map((name) => ({
      name,
      label: SYSTEMS[name].label,
      run: () =>
        bench.stage(SYSTEMS[name], async ({ start, view }) => {
          // The first one brings scripts and everything that there is once. Each producer is gone before memory is read.
          const fill = async (count: number): Promise<number> => {
            const producer = start();
            await producer.call('fill', { task: 'noop', n: count, alike: true });
            await producer.stop();
            return usedBytes(bench);
          };
          const before = await fill(1);
          const after = await fill(n);
          const { waiting } = await view.lengths();
          if (waiting !== n + 1) throw new CheckFailed(`${waiting} tasks wait, and not ${n + 1}`);
          return { bytes: (after - before) / n };
        }),
    })),
  };
}

export function consumerMemory(bench: Bench): Scenario {
  const n = bench.sized(WAITING, 2000);
  return {
    name: 'consumer-memory',
    title: `memory of a consumer's process (RSS), as it has started and after ${n} no-ops`,
    metrics: [
      { name: 'start', unit: 'MiB', better: 'lower' },
      { name: 'after', unit: 'MiB', better: 'lower' },
    ],
    contestants: (['huey-runtime', 'bullmq', 'bullmq-threads', 'bee-queue'] as const).map((name) => {
      const spec = SYSTEMS[name];
      return {
        name,
        label: spec.label,
        run: () =>
          bench.stage(spec, async ({ start, view }) => {
            const consumer = start();
            const concurrency = spec.concurrency === 'fixed' ? 1 : spec.concurrency === 'threads' ? spec.consume.workers : PEER_CONCURRENCY;
            await consume(consumer, spec, concurrency, false);
            const before = await consumer.call('facts', undefined);
            const producer = start();
            await producer.call('fill', { task: 'noop', n });
            await producer.stop();
            await untilEnded(view, n);
            const after = await consumer.call('facts', undefined);
            await consumer.stop();
            await checkDrained(view, n);
            return { start: before.rssBytes / MIB, after: after.rssBytes / MIB };
          }),
      };
    }),
  };
}

async function usedBytes(bench: Bench): Promise<number> {
  const bytes = Number(/^used_memory:(\d+)/m.exec(await bench.redis.info('memory'))?.[1]);
  if (!(bytes > 0)) throw new CheckFailed('the server does not say how much memory it uses');
  return bytes;
}
