/**
 * BullMQ as a producer or a consumer, in its own process's loop or in its sandboxed worker threads. Finished jobs are
 * kept, which is its default and costs it least: an age limit would be checked at every completion.
 */
import { pathToFileURL } from 'node:url';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { flood, inBulk, inFlight, pace } from './paced.js';
import { loadPeer, peersFolder, serverAddress } from './peers.js';
import { QUEUE, type TaskData } from './protocol.js';
import { serve } from './serve.js';
import { work } from './work.js';

interface Job {
  name: string;
  data: TaskData;
  waitUntilFinished(events: QueueEvents, ttlMs: number): Promise<number>;
}
interface JobOptions {
  delay?: number;
  attempts?: number;
}
interface Queue {
  add(name: string, data: TaskData, options?: JobOptions): Promise<Job>;
  addBulk(jobs: { name: string; data: TaskData; opts?: JobOptions }[]): Promise<Job[]>;
  close(): Promise<void>;
}
interface Worker {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
interface QueueEvents {
  setMaxListeners(count: number): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
interface BullMq {
  Queue: new (name: string, options: object) => Queue;
  Worker: new (name: string, processor: string | URL | ((job: Job) => Promise<number>), options: object) => Worker;
  QueueEvents: new (name: string, options: object) => QueueEvents;
}

const FILL_BATCH = 1000;
const RESULT_WAIT_MS = 60_000;

const bullmq = loadPeer<BullMq>('bullmq');
const connection = serverAddress();
let theQueue: Queue | undefined;
let worker: Worker | undefined;
let events: QueueEvents | undefined;

serve({
  async fill({ task, n, alike, spins, dueAtMs, more, attempts = 1 }) {
    const add = (list: TaskData[]): Promise<Job[]> => {
      const opts: JobOptions = dueAtMs === undefined ? {} : { delay: Math.max(0, dueAtMs - Date.now()) };
      if (attempts > 1) opts.attempts = attempts;
      const fixed = spins === undefined ? { ...more } : { ...more, spins };
      return queue().addBulk(list.map((data) => ({ name: task, data: { ...data, ...fixed }, opts })));
    };
    await inBulk(n, FILL_BATCH, add, alike);
  },

  async enqueue({ n, mode, size }) {
    if (mode === 'bulk') return inBulk(n, size, (list) => queue().addBulk(list.map((data) => ({ name: 'noop', data }))));
    return inFlight(n, size, (i) => queue().add('noop', { n: i }));
  },

  async consume({ concurrency, threads }) {
    const processor = threads ? processorFile() : async (job: Job) => work(job.name, job.data);
    worker = new bullmq.Worker(QUEUE, processor, { connection, concurrency, useWorkerThreads: threads });
    await worker.waitUntilReady();
  },

  async pace(options) {
    const finished = (events ??= new bullmq.QueueEvents(QUEUE, { connection }));
    finished.setMaxListeners(0);
    await finished.waitUntilReady();
    return pace(options, async (list) => {
      const [only] = list;
      const jobs =
        list.length === 1 && only !== undefined
          ? [await queue().add(options.task, only)]
          : await queue().addBulk(list.map((data) => ({ name: options.task, data })));
      return jobs.map((job) => ({ value: () => job.waitUntilFinished(finished, RESULT_WAIT_MS) }));
    });
  },

  async flood({ ms, batch, inFlight: size }) {
    return flood(ms, batch, size, (list) => queue().addBulk(list.map((data) => ({ name: 'noop', data }))));
  },

  async stop() {
    await worker?.close();
    await events?.close();
    await theQueue?.close();
  },
});

function queue(): Queue {
  return (theQueue ??= new bullmq.Queue(QUEUE, { connection }));
}

/** Its threads want a file with a default export, which this project has none of. */
function processorFile(): string {
  const file = path.join(peersFolder(), 'processor.cjs');
  const source = pathToFileURL(path.join(import.meta.dirname, 'work.js')).href;
  writeFileSync(
    file,
    `const loading = import(${JSON.stringify(source)});
let work;
module.exports = (job) => (work ? work(job.name, job.data) : loading.then((module) => ((work = module.work), work(job.name, job.data))));
`,
  );
  return file;
}
