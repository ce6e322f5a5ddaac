/** The thread of the bare path: it notes when a task begins, and no more. */
import { parentPort } from 'node:worker_threads';
import { stamp } from './work.js';

parentPort?.on('message', (n: number) => parentPort?.postMessage([n, stamp({ n })]));
