/** What producers of every system do alike: keep so many calls in flight, enqueue at a steady rate, and wait for results. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Latencies, PaceArguments, TaskData } from './protocol.js';
import { nowMs } from '../shared-clock.js';

/** Calls `enqueueOne` n times, at most `size` at once. Gives calls per second. */
export async function inFlight(n: number, size: number, enqueueOne: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const before = performance.now();
  const walk = async (): Promise<void> => {
    while (next < n) await enqueueOne(next++);
  };
  await Promise.all(Array.from({ length: Math.min(size, n) }, walk));
  return (n / (performance.now() - before)) * 1000;
}

/** Calls `enqueueMany` with at most `size` tasks a time. Gives tasks per second. */
export async function inBulk(n: number, size: number, enqueueMany: (list: TaskData[]) => Promise<unknown>, alike = false): Promise<number> {
  const before = performance.now();
  for (let i = 0; i < n; i += size) {
    await enqueueMany(Array.from({ length: Math.min(size, n - i) }, (_, k) => ({ n: alike ? 1 : i + k })));
  }
  return (n / (performance.now() - before)) * 1000;
}

/** One call of a task that was enqueued: how its value is waited for. */
export interface Waiting {
  /** Undefined where it did not come in time, in a system that tells a value once. */
  value(): Promise<number | undefined>;
}

/**
 * Enqueues by the clock, not by when the last call came back: a system that is slow is not spared. The time of a task
 * begins as its call is made, since the producer's own lateness is nobody's fault.
 */
export async function pace(options: PaceArguments, enqueue: (list: TaskData[]) => Promise<Waiting[]>): Promise<Latencies> {
  const { count, perSecond, burnEvery, burnSpins, sampleEvery, batch } = options;
  const startMs: number[] = [];
  const resultMs: number[] = [];
  const under: Promise<void>[] = [];
  let lost = 0;
  const beganAtMs = performance.now();
  for (let sent = 0; sent < count; sent += batch) {
    const dueMs = beganAtMs + (sent / perSecond) * 1000;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    const list = Array.from({ length: Math.min(batch, count - sent) }, (_, k): TaskData => {
      const burns = burnEvery > 0 && (sent + k) % burnEvery === burnEvery - 1;
      return burns ? { n: sent + k, spins: burnSpins } : { n: sent + k };
    });
    under.push(follow(list));
  }
  const perSecondOffered = (count / (performance.now() - beganAtMs)) * 1000;
  await Promise.all(under);
  return { startMs, resultMs, lost, perSecond: perSecondOffered };

  async function follow(list: TaskData[]): Promise<void> {
    const enqueuedAtMs = nowMs();
    const calls = await enqueue(list);
    await Promise.all(
      calls.map(async (call, k) => {
        const data = list[k];
        if (data === undefined || data.n % sampleEvery !== 0) return;
        const startedAtMs = await call.value();
        const endedAtMs = nowMs();
        if (startedAtMs === undefined) {
          lost += 1;
          return;
        }
        if (data.spins !== undefined) return;
        startMs.push(startedAtMs - enqueuedAtMs);
        resultMs.push(endedAtMs - enqueuedAtMs);
      }),
    );
  }
}

/** Bulk calls, several in flight, for so long. Gives the number of tasks. */
export async function flood(ms: number, batch: number, size: number, enqueueMany: (list: TaskData[]) => Promise<unknown>): Promise<number> {
  const endsAt = performance.now() + ms;
  let next = 0;
  const walk = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const from = next;
      next += batch;
      await enqueueMany(Array.from({ length: batch }, (_, k) => ({ n: from + k })));
    }
  };
  await Promise.all(Array.from({ length: size }, walk));
  return next;
}
