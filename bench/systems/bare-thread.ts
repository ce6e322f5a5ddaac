/** A thread that does nothing but the tasks: what the machine could do without any queue. */
import { parentPort, workerData } from 'node:worker_threads';
import { cpu } from './work.js';

const { n, spins, next } = workerData as { n: number; spins: number; next: Int32Array };
// Both threads begin together, when both are up.
parentPort?.once('message', () => {
  for (let i = Atomics.add(next, 0, 1); i < n; i = Atomics.add(next, 0, 1)) cpu({ n: i, spins });
  parentPort?.close();
});
parentPort?.postMessage('up');
