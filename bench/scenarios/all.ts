/** Every scenario by its name, in the order in which they run. */
import type { Bench } from '../bench.js';
import type { BestConcurrency } from '../drain.js';
import type { Scenario } from '../rounds.js';
import { drainAsync, drainCpu } from './cpu-and-waits.js';
import { drainNoop, drainNoopThreads } from './drains.js';
import { enqueue100, enqueue1000, enqueueBulk, enqueueSerial } from './enqueues.js';
import { backlogMillion, producersConsumers, scheduledMillion } from './heaps.js';
import { latencyHalf, latencyIdle, mixed } from './latencies.js';
import { limit } from './limit.js';
import { consumerMemory, memoryWaiting } from './memory.js';
import { startup } from './startup.js';

type MakeScenario = (bench: Bench, best: BestConcurrency) => Scenario;

export const SCENARIOS: Record<string, MakeScenario> = {
  'drain-noop': drainNoop,
  'drain-noop-threads': drainNoopThreads,
  'drain-cpu': drainCpu,
  'drain-async': drainAsync,
  'enqueue-serial': enqueueSerial,
  'enqueue-100': enqueue100,
  'enqueue-1000': enqueue1000,
  'enqueue-bulk': enqueueBulk,
  'latency-idle': latencyIdle,
  'latency-half': latencyHalf,
  mixed,
  'memory-waiting': memoryWaiting,
  'backlog-million': backlogMillion,
  'scheduled-million': scheduledMillion,
  'producers-consumers': producersConsumers,
  startup,
  'consumer-memory': consumerMemory,
  limit,
};
