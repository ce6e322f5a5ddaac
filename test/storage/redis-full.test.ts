/** A Redis server whose memory is full (noeviction): nothing new is stored, and what runs goes on. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { StorageFull } from '../../src/runtime/errors.js';
import { IdGenerator, newConsumerId } from '../../src/runtime/ids.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { redisCommand } from '../faults/harness/redis-wire.js';
import { startRedis } from '../support/redis.js';

/** A server of its own: it is full for everybody. */
async function fullServer(t: TestContext): Promise<{ storage: RedisStorage; fill: () => Promise<void> }> {
  const server = await startRedis();
  t.after(() => server.stop());
  const storage = new RedisStorage('full', { kind: 'redis', url: server.url });
  t.after(() => storage.close());
  await storage.open();
  return {
    storage,
    fill: async () => {
      await redisCommand(server.port, 'CONFIG', 'SET', 'maxmemory', '1');
    },
  };
}

describe('a Redis server whose memory is full', () => {
  it('refuses what would be new', async (t) => {
    const { storage, fill } = await fullServer(t);
    await fill();
    await assert.rejects(storage.putKey('bean', '1', false), StorageFull);
    await assert.rejects(storage.revoke({ id: new IdGenerator().next() }, { once: false, untilMs: 0 }), StorageFull);
  });

  it('lets consumers enter, live, and note which minutes they saw', async (t) => {
    const { storage, fill } = await fullServer(t);
    await fill();
    const consumer = newConsumerId();
    await storage.register(consumer, 10_000);
    assert.equal((await storage.beat(consumer, 10_000)).held, 0);
    await storage.skipTicks(['beat'], 60_000);
    assert.deepEqual(await storage.lastTicks(['beat']), [60_000]);
  });

  it('lets running tasks take, keep and free locks, and be counted', async (t) => {
    const { storage, fill } = await fullServer(t);
    await fill();
    assert.equal(await storage.acquireLock('beans', { token: 'a', leaseMs: 60_000 }), true);
    assert.equal(await storage.acquireLock('beans', { token: 'b', leaseMs: 60_000 }), false);
    assert.equal(await storage.extendLock('beans', 'a', 60_000), true);
    assert.equal(await storage.releaseLock('beans', 'a'), true);
    assert.equal((await storage.rateLimit('api', 1, 60_000, true)).allowed, true);
    assert.equal((await storage.rateLimit('api', 1, 60_000, true)).allowed, false);
  });
});
