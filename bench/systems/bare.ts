/** No queue at all: bare threads that run the tasks, a bare script that moves them, a bare path for one, bare pushes. The limits of the machine. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Redis } from 'ioredis';
import { paceBare, relay } from './bare-path.js';
import { BARE_LIST, LIMIT_BATCH, LIMIT_IN_FLIGHT, LIMIT_KEYS, LIMIT_SCRIPT, limitArguments } from './bare-script.js';
import { inFlight } from './paced.js';
import { serverAddress } from './peers.js';
import { serve } from './serve.js';

serve({
  consume: relay,
  pace: paceBare,

  async enqueue({ n, size }) {
    const { host, port } = serverAddress();
    const redis = new Redis(port, host);
    const perSecond = await inFlight(n, size, (i) => redis.rpush(BARE_LIST, `{"n":${i}}`));
    redis.disconnect();
    return perSecond;
  },

  async threads({ n, threads, ...work }) {
    const next = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from(
      { length: threads },
      () => new Worker(new URL('./bare-thread.js', import.meta.url), { workerData: { n, ...work, next } }),
    );
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const before = performance.now();
    const ends = workers.map((worker) => once(worker, 'exit'));
    for (const worker of workers) worker.postMessage('go');
    await Promise.all(ends);
    return (n / (performance.now() - before)) * 1000;
  },

  async limit({ n }) {
    const { host, port } = serverAddress();
    const redis = new Redis(port, host);
    const script = (await redis.script('LOAD', LIMIT_SCRIPT)) as string;
    const args = [LIMIT_KEYS.ready, LIMIT_KEYS.inflight, LIMIT_KEYS.results, ...limitArguments()];
    const calls = Math.ceil(n / LIMIT_BATCH);
    const callsPerSecond = await inFlight(calls, LIMIT_IN_FLIGHT, () => redis.evalsha(script, 3, ...args));
    redis.disconnect();
    return callsPerSecond * (n / calls);
  },
});
