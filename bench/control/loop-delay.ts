/** How late the loop of the consumer is, which takes work, renews leases and stops what overran, while every thread calculates. */
import type { Bench } from '../bench.js';
import { SYSTEMS, type SystemName } from '../contestants.js';
import { untilEnded } from '../drain.js';
import { checkEnded } from '../queues/queue-view.js';
import type { Contestant, Figures, Scenario } from '../rounds.js';
import type { ControlOptions } from './options.js';
import { CONTROL_WORKERS } from './stage.js';

const BURN_MS = 500;
const BURNS_EACH = 20;
const QUICK_BURN_MS = 100;
const QUICK_BURNS_EACH = 2;
const WARM_UP_MS = 50;

export function loopDelay(bench: Bench, { quick, peers }: ControlOptions): Scenario {
  const count = CONTROL_WORKERS * (quick ? QUICK_BURNS_EACH : BURNS_EACH);
  const ms = quick ? QUICK_BURN_MS : BURN_MS;
  const names: readonly SystemName[] = peers ? ['huey-runtime', 'bullmq-threads', 'bullmq'] : ['huey-runtime'];
  return {
    name: 'loop-delay',
    title: `${count} tasks that calculate for ${ms} ms on ${CONTROL_WORKERS} threads (BullMQ, in its own loop: concurrency ${CONTROL_WORKERS})`,
    metrics: [
      { name: 'p50', unit: "ms, delay of the event loop of the consumer's main thread", better: 'lower' },
      { name: 'p99', unit: 'ms', better: 'lower' },
      { name: 'longest', unit: 'ms', better: 'lower' },
    ],
    contestants: names.map((name) => burner(bench, name, count, ms)),
  };
}

function burner(bench: Bench, name: SystemName, count: number, ms: number): Contestant {
  const spec = SYSTEMS[name];
  const concurrency = spec.isPeer ? CONTROL_WORKERS : 1;
  return {
    name,
    label: spec.label,
    run: () =>
      bench.stage(spec, async ({ start, view }): Promise<Figures> => {
        const [consumer, producer] = [start(), start()];
        await consumer.call('consume', { workers: CONTROL_WORKERS, concurrency, threads: spec.consume.threads, watched: false });
        // Every thread is up before it counts.
        const warmUp = CONTROL_WORKERS * 2;
        await producer.call('fill', { task: 'burn', n: warmUp, more: { ms: WARM_UP_MS } });
        await untilEnded(view, warmUp);
        await consumer.call('resetDelay', undefined);
        await producer.call('fill', { task: 'burn', n: count, more: { ms } });
        await untilEnded(view, warmUp + count);
        const facts = await consumer.call('facts', undefined);
        await producer.stop();
        await consumer.stop();
        await checkEnded(view, warmUp + count);
        return { p50: facts.loopDelayP50Ms, p99: facts.loopDelayP99Ms, longest: facts.loopDelayMaxMs };
      }),
  };
}
