import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { describe, it } from 'node:test';
import { HueyRedisView } from '../../bench/queues/huey-redis.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { startRedis } from '../support/redis.js';
import { message, World } from '../storage/world.js';

const COUNT = 10;

describe('a look at a queue from outside', () => {
  it('counts what a consumer holds in chunks as in flight', async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const storage = new RedisStorage('q', { kind: 'redis', url: server.url });
    const redis = new Redis(server.url);
    t.after(() => redis.disconnect());
    t.after(() => storage.close());
    await storage.open();
    const world = new World({
      storage,
      another: () => Promise.reject(new Error('one will do')),
      pushRaw: () => Promise.resolve(),
      close: () => storage.close(),
    });
    await world.enqueue(...Array.from({ length: COUNT }, (_, n) => message(`t${n}`)));
    const view = new HueyRedisView(redis, 'q');
    assert.deepEqual(await view.lengths(), { waiting: COUNT, inFlight: 0, scheduled: 0 });
    const consumer = await world.consumer();
    await consumer.take(4);
    await consumer.take(3);
    assert.deepEqual(await view.lengths(), { waiting: COUNT - 7, inFlight: 7, scheduled: 0 });
    await consumer.finish('t1');
    assert.deepEqual(await view.lengths(), { waiting: COUNT - 7, inFlight: 6, scheduled: 0 });
  });
});
