/** A thread that does nothing but the tasks: what the machine could do without any queue. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SystemCalls } from './protocol.js';
import { work } from './work.js';

type ThreadWork = SystemCalls['threads']['argument'] & { next: Int32Array };
const { n, task, spins, places, next } = workerData as ThreadWork;
const walk = async (): Promise<void> => {
  for (let i = Atomics.add(next, 0, 1); i < n; i = Atomics.add(next, 0, 1)) {
    const value = work(task, { n: i, spins });
    if (value instanceof Promise) await value;
  }
};
// All threads begin together, when all are up.
parentPort?.once('message', () => {
  void Promise.all(Array.from({ length: places }, walk)).then(() => parentPort?.close());
});
parentPort?.postMessage('up');
