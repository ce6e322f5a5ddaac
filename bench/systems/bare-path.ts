/**
 * The bare path of a task through a process that runs it in a thread: a list, a blocking read, a message to the thread and one back,
 * a publication. Nothing is kept and nothing promised. What it takes is what the machine needs to wake all of them.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Redis } from 'ioredis';
import { pace, type Waiting } from './paced.js';
import { serverAddress } from './peers.js';
import type { Latencies, PaceArguments } from './protocol.js';

const CALLS = 'path:calls';
const ENDS = 'path:ends';

/** Takes what comes until the process ends. */
export async function relay(): Promise<void> {
  const [taking, telling] = [connect(), connect()];
  const thread = new Worker(new URL('./bare-path-thread.js', import.meta.url));
  await once(thread, 'online');
  thread.on('message', ([n, startedAtMs]: [number, number]) => void telling.publish(ENDS, `${n} ${startedAtMs}`));
  const take = async (): Promise<void> => {
    for (;;) {
      const [, n] = (await taking.blpop(CALLS, 0)) ?? [];
      thread.postMessage(Number(n));
    }
  };
  void take();
}

export async function paceBare(options: PaceArguments): Promise<Latencies> {
  const [sending, hearing] = [connect(), connect()];
  const waiting = new Map<number, (startedAtMs: number) => void>();
  await hearing.subscribe(ENDS);
  hearing.on('message', (_, text) => {
    const [n = 0, startedAtMs = 0] = text.split(' ').map(Number);
    waiting.get(n)?.(startedAtMs);
  });
  const latencies = await pace(options, async (list) => {
    const ends = list.map(({ n }): Waiting => {
      const end = new Promise<number>((resolve) => waiting.set(n, resolve));
      return { value: () => end };
    });
    await sending.rpush(CALLS, ...list.map(({ n }) => n));
    return ends;
  });
  sending.disconnect();
  hearing.disconnect();
  return latencies;
}

function connect(): Redis {
  const { host, port } = serverAddress();
  return new Redis(port, host);
}
