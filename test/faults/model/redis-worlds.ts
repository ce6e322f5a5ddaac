/** Queues on one Redis server of the test's own, each for one run with one fault. Time is real. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisStorage } from '../../../src/runtime/storage/redis.js';
import { startRedis } from '../../support/redis.js';
import type { WorldStorage } from './crash-run.js';

/** Short enough to wait for several, long enough to beat in time on a busy machine. */
const LEASE_MS = 2000;

export async function redisWorlds(t: TestContext): Promise<() => Promise<WorldStorage>> {
  const server = await startRedis();
  const opened: RedisStorage[] = [];
  let queues = 0;
  t.after(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    await server.stop();
  });
  return async () => {
    const queue = `q${queues++}`;
    const connect = async (): Promise<RedisStorage> => {
      const storage = new RedisStorage(queue, { kind: 'redis', url: server.url });
      opened.push(storage);
      await storage.open();
      return storage;
    };
    return { observer: await connect(), leaseMs: LEASE_MS, connect, advance: (ms) => sleep(ms) };
  };
}
