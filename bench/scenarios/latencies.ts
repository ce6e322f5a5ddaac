/** How long a task waits, at several loads: from the call of the producer to its start, and to its result at the producer. */
import type { Bench } from '../bench.js';
import { BARE_ENTRY, SYSTEMS, WORKERS, type SystemName } from '../contestants.js';
import { consume, drain, untilEnded, type BestConcurrency, type DrainWork } from '../drain.js';
import { CheckFailed, checkEnded } from '../queues/queue-view.js';
import type { Contestant, Figures, Metric, Scenario } from '../rounds.js';
import { quantile } from '../statistics.js';
import type { Latencies, PaceArguments } from '../systems/protocol.js';
import { spinsFor } from '../systems/work.js';

const IDLE_PER_SECOND = 200;
const IDLE_TASKS = 1000;
const WARM_UP = 100;
const HALF_SECONDS = 4;
const HALF_SAMPLES = 1000;
const HALF_TICKS_PER_SECOND = 200;
const DRAIN_N = 10_000;
const MIXED_PER_SECOND = 150;
const MIXED_TASKS = 1500;
const MIXED_BURN_EVERY = 100;
const MIXED_BURN_MS = 500;
/** Where nothing is swept: enough that tasks do not wait for each other. */
const PEER_CONCURRENCY = 100;

const METRICS: readonly Metric[] = [
  { name: 'start p50', unit: 'ms from the call to the start', better: 'lower' },
  { name: 'start p99', unit: 'ms', better: 'lower' },
  { name: 'result p50', unit: 'ms from the call to the value at the producer', better: 'lower' },
  { name: 'result p99', unit: 'ms', better: 'lower' },
];

export function latencyIdle(bench: Bench): Scenario {
  const options = (): PaceArguments => ({ ...PLAIN, count: bench.sized(IDLE_TASKS, 100), perSecond: IDLE_PER_SECOND });
  return {
    name: 'latency-idle',
    title: `${IDLE_PER_SECOND} tasks/s, one by one; beside them the bare path through a thread of another process`,
    metrics: METRICS,
    contestants: [
      ...(['huey-runtime', 'bullmq', 'bee-queue', 'huey-sqlite'] as const).map((name) =>
        paced(bench, name, peerConcurrency(bench, name), async () => options()),
      ),
      barePath(bench, options()),
    ],
  };
}

/** What waking all of them takes, with nothing kept and nothing promised. */
function barePath(bench: Bench, options: PaceArguments): Contestant {
  return {
    name: 'bare',
    label: 'bare path',
    run: () =>
      bench.bareStage(BARE_ENTRY, (consumer) =>
        bench.bareStage(BARE_ENTRY, async (producer) => {
          await consumer.call('consume', { workers: 1, concurrency: 1, threads: true, watched: true });
          await producer.call('pace', { ...options, count: Math.min(options.count, WARM_UP) });
          return figuresOf(await producer.call('pace', options), options);
        }),
      ),
  };
}

/** @throws CheckFailed where less was offered than was wanted. */
function figuresOf({ startMs, resultMs, perSecond }: Latencies, wanted: PaceArguments): Figures {
  if (perSecond < wanted.perSecond * 0.9)
    throw new CheckFailed(`the producer offered ${Math.round(perSecond)} tasks/s and not ${Math.round(wanted.perSecond)}`);
  return {
    'start p50': quantile(startMs, 0.5),
    'start p99': quantile(startMs, 0.99),
    'result p50': quantile(resultMs, 0.5),
    'result p99': quantile(resultMs, 0.99),
  };
}

export function latencyHalf(bench: Bench, best: BestConcurrency): Scenario {
  const work: DrainWork = { task: 'noop', n: bench.sized(DRAIN_N * 4, 1000), sweepN: bench.sized(DRAIN_N, 500) };
  const rates = new Map<SystemName, number>();
  const halfOf = async (name: SystemName): Promise<PaceArguments> => {
    const spec = SYSTEMS[name];
    const full = rates.get(name) ?? (await drain(bench, spec, work, await best.of(spec, work))).perSecond;
    rates.set(name, full);
    const perSecond = full / 2;
    const count = Math.ceil(perSecond * (bench.options.quick ? 1 : HALF_SECONDS));
    bench.note(`half ${name}`, `${spec.label} at ${Math.round(perSecond)} tasks/s, half of what it drained just before`);
    const sampleEvery = Math.max(1, Math.floor(count / HALF_SAMPLES));
    return { ...PLAIN, count, perSecond, sampleEvery, batch: Math.max(1, Math.round(perSecond / HALF_TICKS_PER_SECOND)) };
  };
  return {
    name: 'latency-half',
    title: `at half of the rate that each system drains; enqueued in bulk ${HALF_TICKS_PER_SECOND} times a second`,
    metrics: METRICS,
    contestants: (['huey-runtime', 'bullmq', 'bee-queue'] as const).map((name) =>
      paced(
        bench,
        name,
        () => best.of(SYSTEMS[name], work),
        () => halfOf(name),
      ),
    ),
  };
}

export function mixed(bench: Bench): Scenario {
  const options: PaceArguments = {
    ...PLAIN,
    count: bench.sized(MIXED_TASKS, 2 * MIXED_BURN_EVERY),
    perSecond: MIXED_PER_SECOND,
    burnEvery: MIXED_BURN_EVERY,
    burnSpins: spinsFor(MIXED_BURN_MS),
  };
  return {
    name: 'mixed',
    title: `${MIXED_PER_SECOND} tasks/s, one in ${MIXED_BURN_EVERY} burns ${MIXED_BURN_MS} ms; the times are those of the others`,
    metrics: METRICS,
    contestants: [
      paced(
        bench,
        'huey-runtime',
        () => Promise.resolve(1),
        async () => options,
      ),
      paced(bench, 'bullmq', peerConcurrency(bench, 'bullmq'), async () => options),
      // As many threads as huey-runtime has.
      paced(
        bench,
        'bullmq-threads',
        () => Promise.resolve(WORKERS),
        async () => options,
      ),
    ],
  };
}

const PLAIN = { task: 'stamp', burnEvery: 0, burnSpins: 0, sampleEvery: 1, batch: 1 } as const;

function peerConcurrency(bench: Bench, name: SystemName): () => Promise<number> {
  return () => Promise.resolve(SYSTEMS[name].concurrency === 'fixed' ? 1 : (bench.options.concurrency ?? PEER_CONCURRENCY));
}

function paced(bench: Bench, name: SystemName, concurrency: () => Promise<number>, options: () => Promise<PaceArguments>): Contestant {
  const spec = SYSTEMS[name];
  return {
    name,
    label: spec.label,
    run: async () => {
      const wanted = await options();
      const places = await concurrency();
      return bench.stage(spec, async ({ start, view }): Promise<Figures> => {
        const consumer = start();
        const producer = start();
        await consume(consumer, spec, places, true);
        const warmUp = { ...wanted, count: Math.min(wanted.count, WARM_UP), perSecond: Math.min(wanted.perSecond, 500), burnEvery: 0 };
        await producer.call('pace', { ...warmUp, batch: 1, sampleEvery: 1 });
        const latencies = await producer.call('pace', wanted);
        const { lost } = latencies;
        if (lost > 0) bench.note(`lost ${name}`, `${spec.label}: ${lost} of ${wanted.count} values never came in one of the rounds`);
        await untilEnded(view, wanted.count + warmUp.count);
        await producer.stop();
        await consumer.stop();
        await checkEnded(view, wanted.count + warmUp.count);
        return figuresOf(latencies, wanted);
      });
    },
  };
}
