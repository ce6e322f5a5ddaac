/**
 * bee-queue as a producer or a consumer. It never stores results; a value reaches whoever still listens. Where nobody
 * waits, events and the storing of jobs in memory are off, its fastest setting.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { flood, inBulk, inFlight, pace } from './paced.js';
import { loadPeer, serverAddress } from './peers.js';
import { QUEUE, type TaskData, type TaskName } from './protocol.js';
import { serve } from './serve.js';
import { work } from './work.js';

/** The name of a task travels in the data: bee-queue has none. */
type BeeData = TaskData & { task: TaskName };

interface Job {
  data: BeeData;
  save(): Promise<Job>;
  once(event: 'succeeded', listener: (value: number) => void): void;
  once(event: 'failed', listener: (error: Error) => void): void;
}
interface Queue {
  createJob(data: BeeData): Job;
  saveAll(jobs: Job[]): Promise<Map<Job, Error>>;
  process(concurrency: number, handler: (job: Job) => Promise<number>): void;
  ready(): Promise<unknown>;
  close(timeoutMs: number): Promise<void>;
}
type BeeQueue = new (name: string, settings: object) => Queue;

const FILL_BATCH = 1000;
const CLOSE_MS = 5000;
/** A value that takes longer is lost. */
const LOST_MS = 10_000;

const BeeQueue = loadPeer<BeeQueue>('bee-queue');
const queues: Queue[] = [];
let silent: Queue | undefined;
let listening: Queue | undefined;

serve({
  async fill({ task, n, alike, spins }) {
    const extra = spins === undefined ? {} : { spins };
    await inBulk(n, FILL_BATCH, (list) => saveAll(task, list, extra), alike);
  },

  async enqueue({ n, mode, size }) {
    if (mode === 'bulk') return inBulk(n, size, (list) => saveAll('noop', list));
    return inFlight(n, size, (i) => producer().createJob({ task: 'noop', n: i }).save());
  },

  async consume({ concurrency, watched }) {
    const queue = open({ getEvents: false, sendEvents: watched, storeJobs: false });
    queue.process(concurrency, async (job) => work(job.data.task, job.data));
    await queue.ready();
  },

  async pace(options) {
    const queue = (listening ??= open({ isWorker: false }));
    await queue.ready();
    return pace(options, async (list) => {
      const jobs = list.map((data) => queue.createJob({ ...data, task: options.task }));
      // The listeners come first: the value is told once and kept nowhere.
      const calls = jobs.map((job) => {
        const told = new Promise<number>((resolve, reject) => {
          job.once('succeeded', resolve);
          job.once('failed', reject);
        });
        // It knows whose value it hears by the id that the save brings: a job that ends before that is never told.
        return { value: () => Promise.race([told, sleep(LOST_MS, undefined, { ref: false })]) };
      });
      const [only] = jobs;
      if (jobs.length === 1 && only !== undefined) await only.save();
      else await queue.saveAll(jobs);
      return calls;
    });
  },

  async flood({ ms, batch, inFlight: size }) {
    return flood(ms, batch, size, (list) => saveAll('noop', list));
  },

  async stop() {
    await Promise.all(queues.map((queue) => queue.close(CLOSE_MS)));
  },
});

async function saveAll(task: TaskName, list: TaskData[], extra: Partial<TaskData> = {}): Promise<void> {
  const queue = producer();
  const errors = await queue.saveAll(list.map((data) => queue.createJob({ ...data, ...extra, task })));
  for (const error of errors.values()) throw error;
}

function producer(): Queue {
  return (silent ??= open({ isWorker: false, getEvents: false, sendEvents: false, storeJobs: false }));
}

function open(settings: object): Queue {
  const queue = new BeeQueue(QUEUE, { redis: serverAddress(), ...settings });
  queues.push(queue);
  return queue;
}
