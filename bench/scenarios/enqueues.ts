/** Producers alone: how many tasks a process can store in a second. */
import type { Bench } from '../bench.js';
import { BARE_ENTRY, SYSTEMS, type SystemName } from '../contestants.js';
import { CheckFailed } from '../queues/queue-view.js';
import type { Contestant, Scenario } from '../rounds.js';
import { BARE_LIST } from '../systems/bare-script.js';
import type { EnqueueMode } from '../systems/protocol.js';

const NAMES: readonly SystemName[] = ['huey-runtime', 'bullmq', 'bee-queue', 'huey-sqlite'];

interface Way {
  name: string;
  title: string;
  mode: EnqueueMode;
  /** Calls in flight, or tasks in a bulk call. */
  size: number;
  n: number;
}

export const enqueueSerial = (bench: Bench): Scenario =>
  enqueues(bench, { name: 'enqueue-serial', title: 'each awaited before the next', mode: 'serial', size: 1, n: 10_000 });
export const enqueue100 = (bench: Bench): Scenario =>
  enqueues(bench, { name: 'enqueue-100', title: '100 calls in flight', mode: 'flight', size: 100, n: 50_000 });
export const enqueue1000 = (bench: Bench): Scenario =>
  enqueues(bench, { name: 'enqueue-1000', title: '1000 calls in flight', mode: 'flight', size: 1000, n: 50_000 });
export const enqueueBulk = (bench: Bench): Scenario =>
  enqueues(bench, { name: 'enqueue-bulk', title: '1000 tasks in a call', mode: 'bulk', size: 1000, n: 100_000 });

function enqueues(bench: Bench, way: Way): Scenario {
  const { name, title, mode, size } = way;
  const n = bench.sized(way.n, 500);
  // What the engine has compiled and what the server has loaded is no part of the figure.
  const warmUp = Math.ceil(n / 5);
  return {
    name,
    title: `a producer stores ${n} tasks, ${title}`,
    metrics: [{ name: 'rate', unit: 'tasks/s', better: 'higher' }],
    contestants: [...NAMES.map(contestant), ...(size === 1 ? [barePushes(bench, n, warmUp)] : [])],
  };

  function contestant(system: SystemName): Contestant {
    return {
      name: system,
      label: SYSTEMS[system].label,
      run: () =>
        bench.stage(SYSTEMS[system], async ({ start, view }) => {
          const producer = start();
          await producer.call('enqueue', { n: warmUp, mode, size });
          const rate = await producer.call('enqueue', { n, mode, size });
          const { waiting } = await view.lengths();
          if (waiting !== n + warmUp) throw new CheckFailed(`${waiting} tasks are stored of ${n + warmUp}`);
          await producer.stop();
          return { rate };
        }),
    };
  }
}

/** One push after the other, each awaited: what the round trips take by themselves. */
function barePushes(bench: Bench, n: number, warmUp: number): Contestant {
  return {
    name: 'bare',
    label: 'bare pushes',
    run: async () => {
      await bench.redis.flushall();
      return bench.bareStage(BARE_ENTRY, async (producer) => {
        await producer.call('enqueue', { n: warmUp, mode: 'serial', size: 1 });
        const rate = await producer.call('enqueue', { n, mode: 'serial', size: 1 });
        const stored = await bench.redis.llen(BARE_LIST);
        if (stored !== n + warmUp) throw new CheckFailed(`${stored} are stored of ${n + warmUp}`);
        return { rate };
      });
    },
  };
}
