/** Large numbers: a long backlog, many tasks that fall due at once, and producers and consumers at the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import { SYSTEMS } from '../contestants.js';
import { consume, untilEnded, type BestConcurrency, type DrainWork } from '../drain.js';
import { CheckFailed, checkDrained, checkEnded } from '../queues/queue-view.js';
import type { Contestant, Scenario } from '../rounds.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { QUEUE } from '../systems/protocol.js';

const MILLION = 1_000_000;
const POLL_MS = 3;
const MOVE_BATCH = 2000;
/** How fast a million can be scheduled at least; the slowest machine gives the others a pause. */
const SCHEDULED_PER_MS_MIN = 8;
const SCHEDULE_MARGIN_MS = 3000;
const DEADLINE_MS = 10 * 60_000;
const FLOOD_MS = 5000;
const FLOOD_QUICK_MS = 1000;
const FLOOD = { batch: 100, inFlight: 4 };

const RATE = { name: 'rate', unit: 'tasks/s', better: 'higher' } as const;
const huey = SYSTEMS['huey-runtime'];

export function backlogMillion(bench: Bench): Scenario {
  const backlog = bench.sized(MILLION, 5000);
  const part = backlog / 10;
  return {
    name: 'backlog-million',
    title: `the first ${part} tasks out of ${backlog}, and ${part} tasks of which at most ${part / 10} wait at a time`,
    metrics: [RATE],
    contestants: [
      { name: huey.name, label: 'long backlog', run: () => drainFirst(bench, backlog, part) },
      { name: huey.name, label: 'short backlog', run: () => drainHeld(bench, part, part / 10) },
    ],
  };
}

async function drainFirst(bench: Bench, backlog: number, part: number): Promise<{ rate: number }> {
  return bench.stage(huey, async ({ start, view }) => {
    const producer = start();
    await producer.call('fill', { task: 'noop', n: backlog });
    await producer.stop();
    const consumer = start();
    const started = consume(consumer, huey, 1, false);
    const first = await until(async () => backlog - (await view.lengths()).waiting);
    const done = await until(async () => {
      const { waiting, inFlight } = await view.lengths();
      const count = backlog - waiting - inFlight;
      return count >= part ? count : 0;
    });
    await started;
    // Not in good order: it would first give back what it holds.
    await consumer.kill();
    const { waiting, inFlight } = await view.lengths();
    const ended = await view.endedCount();
    if (waiting + inFlight + ended !== backlog)
      throw new CheckFailed(`${waiting} wait, ${inFlight} are in flight and ${ended} ended of ${backlog}`);
    return { rate: (done.value / (done.atMs - first.atMs)) * 1000 };
  });
}

/** The rest lies in a list beside the queue, from which this process brings what is missing. */
async function drainHeld(bench: Bench, n: number, held: number): Promise<{ rate: number }> {
  return bench.stage(huey, async ({ start, view }) => {
    const producer = start();
    await producer.call('fill', { task: 'noop', n });
    await producer.stop();
    const { ready, prefix } = new RedisKeys(QUEUE);
    const reserve = `${prefix}bench-reserve`;
    await bench.redis.rename(ready, reserve);
    let left = n;
    const fill = async (count: number): Promise<void> => {
      for (let missing = Math.min(count, left); missing > 0; missing -= MOVE_BATCH) {
        left -= Number(await bench.redis.eval(MOVE, 2, reserve, ready, Math.min(missing, MOVE_BATCH)));
      }
    };
    await fill(held);
    const consumer = start();
    const started = consume(consumer, huey, 1, false);
    const first = await until(async () => held - (await view.lengths()).waiting);
    const last = await until(async () => {
      const { waiting, inFlight } = await view.lengths();
      if (left > 0) await fill(held - waiting);
      return left + waiting + inFlight === 0 ? 1 : 0;
    });
    await started;
    await consumer.stop();
    await checkDrained(view, n);
    return { rate: (n / (last.atMs - first.atMs)) * 1000 };
  });
}

const MOVE = `local list = redis.call('LPOP', KEYS[1], ARGV[1])
if not list then return 0 end
redis.call('RPUSH', KEYS[2], unpack(list))
return #list`;

export function scheduledMillion(bench: Bench): Scenario {
  const n = bench.sized(MILLION, 2000);
  return {
    name: 'scheduled-million',
    title: `${n} scheduled tasks fall due at one moment`,
    metrics: [
      { name: 'first', unit: 'ms from that moment to the first start', better: 'lower' },
      { name: 'promoted', unit: 's until none is scheduled any more', better: 'lower' },
      { name: 'drained', unit: 's until all have run', better: 'lower' },
    ],
    contestants: [{ name: huey.name, label: huey.label, run: () => fallDue(bench, n) }],
  };
}

async function fallDue(bench: Bench, n: number): Promise<{ first: number; promoted: number; drained: number }> {
  return bench.stage(huey, async ({ start, view }) => {
    const dueAtMs = Math.ceil(Date.now() + n / SCHEDULED_PER_MS_MIN + SCHEDULE_MARGIN_MS);
    const producer = start();
    await producer.call('fill', { task: 'stamp', n, dueAtMs });
    await producer.stop();
    const consumer = start();
    await consume(consumer, huey, 1, false);
    if ((await view.lengths()).scheduled !== n) throw new CheckFailed('scheduling took longer than was planned for it');
    await sleep(dueAtMs - Date.now());
    const promoted = await until(async () => ((await view.lengths()).scheduled === 0 ? 1 : 0));
    const promotedMs = Date.now() - dueAtMs;
    const drained = await until(async () => {
      const { waiting, inFlight } = await view.lengths();
      return waiting + inFlight === 0 ? 1 : 0;
    });
    await consumer.stop();
    await checkEnded(view, n);
    const stamps = (await view.values()) ?? [];
    const earliest = stamps.reduce((least, stamp) => Math.min(least, stamp), Infinity);
    if (earliest < dueAtMs) throw new CheckFailed(`a task started ${dueAtMs - earliest} ms before it was due`);
    return { first: earliest - dueAtMs, promoted: promotedMs / 1000, drained: (promotedMs + drained.atMs - promoted.atMs) / 1000 };
  });
}

export function producersConsumers(bench: Bench, best: BestConcurrency): Scenario {
  const ms = bench.options.quick ? FLOOD_QUICK_MS : FLOOD_MS;
  const work: DrainWork = { task: 'noop', n: bench.options.n, sweepN: bench.sized(10_000, 500) };
  return {
    name: 'producers-consumers',
    title: `a producer enqueues for ${ms / 1000} s, ${FLOOD.batch} tasks a call, while a consumer runs; until everything has ended`,
    metrics: [RATE],
    contestants: (['huey-runtime', 'bullmq', 'bee-queue'] as const).map((name): Contestant => {
      const spec = SYSTEMS[name];
      return {
        name,
        label: spec.label,
        run: async () => {
          const concurrency = await best.of(spec, work);
          return bench.stage(spec, async ({ start, view }) => {
            const [consumer, producer] = [start(), start()];
            await consume(consumer, spec, concurrency, false);
            await producer.call('fill', { task: 'noop', n: 0 });
            const beganAtMs = performance.now();
            const n = await producer.call('flood', { ms, ...FLOOD });
            await untilEnded(view, n);
            const rate = (n / (performance.now() - beganAtMs)) * 1000;
            await Promise.all([consumer.stop(), producer.stop()]);
            await checkDrained(view, n);
            return { rate };
          });
        },
      };
    }),
  };
}

/** Looks until there is something other than 0. Says what and when. */
async function until(look: () => Promise<number>): Promise<{ value: number; atMs: number }> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const value = await look();
    const atMs = performance.now();
    if (value > 0) return { value, atMs };
    if (atMs > deadlineMs) throw new CheckFailed(`waited ${DEADLINE_MS / 1000} s in vain`);
    await sleep(POLL_MS);
  }
}
