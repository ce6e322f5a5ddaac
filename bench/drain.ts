/**
 * A drain, measured from outside: the queue is filled, a consumer is started, and the lengths of the queue are read
 * every few milliseconds by this process, which is not the consumer's. It begins when something was taken and ends
 * when nothing waits and nothing is in flight.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.js';
import type { ChildSystem } from './child-system.js';
import type { SystemSpec } from './contestants.js';
import { checkDrained, CheckFailed, type QueueView } from './queues/queue-view.js';
import type { SystemCalls, TaskName } from './systems/protocol.js';

const POLL_MS = 3;
const DEADLINE_MS = 15 * 60_000;
const CONCURRENCIES = [1, 10, 50, 100, 200, 500];
const QUICK_CONCURRENCIES = [10, 100];

export interface DrainWork {
  task: TaskName;
  n: number;
  spins?: number;
  /** Tasks of the first pass that looks for the best concurrency. */
  sweepN: number;
  /** How often the queue is looked at in the midst of it; longer where tasks are long, so that looking takes no share of the cores. */
  pollMs?: number;
  /** Places in all; where given, nothing is swept. */
  places?: number;
}

export interface DrainRun {
  perSecond: number;
  seconds: number;
  facts: SystemCalls['facts']['reply'];
}

/** @throws CheckFailed */
export async function drain(bench: Bench, spec: SystemSpec, work: DrainWork, concurrency: number): Promise<DrainRun> {
  return bench.stage(spec, async (stage) => {
    const { view } = stage;
    const { task, n, spins } = work;
    const producer = stage.start();
    await producer.call('fill', { task, n, ...(spins === undefined ? {} : { spins }) });
    await producer.stop();
    const consumer = stage.start();
    const seconds = await watchDrain(view, n, () => consume(consumer, spec, concurrency, false), work.pollMs);
    const facts = await consumer.call('facts', undefined);
    await consumer.stop();
    await checkDrained(view, n);
    return { perSecond: n / seconds, seconds, facts };
  });
}

export function consume(child: ChildSystem, spec: SystemSpec, concurrency: number, watched: boolean): Promise<void> {
  return child.call('consume', { ...spec.consume, concurrency, watched });
}

/** Seconds from the first moment at which something was taken to the first at which everything has ended. */
export async function watchDrain(view: QueueView, n: number, begin: () => Promise<void>, pollMs = POLL_MS): Promise<number> {
  const failure: { error?: Error } = {};
  const begun = begin().catch((error: unknown) => {
    failure.error = error instanceof Error ? error : new Error(String(error));
  });
  const deadlineMs = performance.now() + DEADLINE_MS;
  let firstMs: number | undefined;
  for (;;) {
    const { waiting, inFlight } = await view.lengths();
    const nowMs = performance.now();
    if (firstMs === undefined && waiting < n) firstMs = nowMs;
    if (firstMs !== undefined && waiting === 0 && inFlight === 0) {
      await begun;
      if (failure.error === undefined) return (nowMs - firstMs) / 1000;
    }
    if (failure.error !== undefined) throw failure.error;
    if (nowMs > deadlineMs)
      throw new CheckFailed(`the drain was not over after ${DEADLINE_MS / 1000} s: ${waiting} waiting, ${inFlight} in flight`);
    // The first and the last moment are what is measured.
    await sleep(firstMs === undefined || waiting === 0 ? POLL_MS : pollMs);
  }
}

/** Until everything has ended that is counted; for what was enqueued while a consumer ran. */
export async function untilEnded(view: QueueView, n: number): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const { waiting, inFlight, scheduled } = await view.lengths();
    if (waiting + inFlight + scheduled === 0 && (await view.endedCount()) >= n) return;
    if (performance.now() > deadlineMs) throw new CheckFailed(`not all of ${n} tasks ended in ${DEADLINE_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** The concurrency with which a system does this best: as given, or found by trying. Each system and work once. */
export class BestConcurrency {
  readonly #bench: Bench;
  readonly #found = new Map<string, number>();

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  async of(spec: SystemSpec, work: DrainWork): Promise<number> {
    if (work.places !== undefined) return spec.concurrency === 'fixed' ? Math.ceil(work.places / spec.consume.workers) : work.places;
    if (spec.concurrency === 'fixed') return 1;
    const { concurrency, quick } = this.#bench.options;
    if (concurrency !== undefined) return concurrency;
    const key = `${spec.name} ${work.task} ${work.spins ?? 0}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    let best = { concurrency: 1, perSecond: 0 };
    // A thread for each job: hundreds of them would only measure their start.
    const tried = spec.concurrency === 'threads' ? [1, 2, 4, 8] : quick ? QUICK_CONCURRENCIES : CONCURRENCIES;
    // Twice, the passes one after the other: a moment in which the machine was busy shall not decide.
    for (const candidate of quick ? tried : [...tried, ...tried]) {
      this.#bench.progress(`${spec.label}: trying concurrency ${candidate}`);
      const { perSecond } = await drain(this.#bench, spec, { ...work, n: work.sweepN }, candidate);
      if (perSecond > best.perSecond) best = { concurrency: candidate, perSecond };
    }
    this.#found.set(key, best.concurrency);
    this.#bench.note(key, `${spec.label} at concurrency ${best.concurrency}, its best of ${tried.join(', ')}`);
    return best.concurrency;
  }
}
