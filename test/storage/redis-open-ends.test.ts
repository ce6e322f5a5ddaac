/** Whoever waits for a task that cannot have ended yet is spared the look; and nobody else is. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { newConsumerId } from '../../src/runtime/ids.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { sharedRedis } from '../actors/consumer-world.js';
import { startProxy } from '../faults/harness/proxy.js';
import { generated, items, message, tellings, World } from './world.js';

const IDS = generated(0, 9);
const [FIRST = '', SECOND = '', THIRD = ''] = IDS;

async function producer(t: TestContext): Promise<{ storage: RedisStorage; world: World; cut: () => void }> {
  const proxy = await startProxy(t, await sharedRedis());
  const queue = newConsumerId();
  const storage = new RedisStorage(queue, { kind: 'redis', url: proxy.url });
  const other = new RedisStorage(queue, { kind: 'redis', url: (await sharedRedis()).url });
  t.after(() => Promise.all([storage.close(), other.close()]));
  const unused = (): Promise<never> => Promise.reject(new Error('not used here'));
  const world = new World({ storage: other, another: unused, pushRaw: unused, close: unused });
  return { storage, world, cut: () => proxy.cut() };
}

describe('a wait for a task in Redis', () => {
  it('needs no look where it was enqueued under a subscription and has not ended; then its end is told', async (t) => {
    const { storage, world } = await producer(t);
    const told = tellings(storage);
    await storage.enqueue(items([FIRST]));
    assert.deepEqual(await storage.watch([FIRST]), [FIRST], 'nobody was subscribed as it was enqueued');
    await storage.enqueue(items([SECOND]));
    assert.deepEqual(await storage.watch([SECOND]), []);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.finish(FIRST, SECOND);
    await world.until(async () => told.size === 2);
  });

  it('needs one where its end may have been pushed before', async (t) => {
    const { storage, world } = await producer(t);
    const told = tellings(storage);
    await storage.watch([FIRST, THIRD]);
    await storage.enqueue(items([FIRST]));
    await storage.enqueue(items([SECOND]));
    await storage.enqueue([{ text: message(THIRD) }]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.finish(SECOND);
    await consumer.finish(THIRD);
    // Pushes come in their order.
    await world.until(async () => told.has(THIRD));
    assert.deepEqual(await storage.watch([SECOND]), [SECOND]);
    assert.deepEqual(await storage.watch([FIRST]), []);
    assert.deepEqual(await storage.watch([FIRST]), [FIRST], 'it is known for one wait');
  });

  it('needs one where it was enqueued before, by whomever', async (t) => {
    const { storage, world } = await producer(t);
    await storage.watch([THIRD]);
    await world.storage.enqueue(items([FIRST]));
    assert.deepEqual((await storage.enqueue(items([FIRST]))).duplicates, [0]);
    assert.deepEqual(await storage.watch([FIRST]), [FIRST]);
  });

  it('needs one where the connection was lost in between', async (t) => {
    const { storage, world, cut } = await producer(t);
    const ids = generated(0, 900);
    await storage.watch([ids.pop() ?? '']);
    for (const id of ids) await storage.enqueue(items([id]));
    assert.deepEqual(await storage.watch([ids.pop() ?? '']), []);
    cut();
    await world.until(async () => (await storage.watch([ids.pop() ?? ''])).length > 0);
    assert.ok(ids.length > 0);
    assert.deepEqual(await storage.watch(ids), ids);
  });

  it('needs one where its channel was left for others in between', async (t) => {
    const { storage } = await producer(t);
    await storage.watch([THIRD]);
    await storage.enqueue(items([FIRST]));
    storage.unwatch([THIRD]);
    const others = Array.from({ length: 70 }, (_, n) => generated(n + 1, 1)).flat();
    await storage.watch(others);
    storage.unwatch(others);
    assert.deepEqual(await storage.watch([FIRST]), [FIRST]);
  });

  it('needs one where so many were enqueued since that it is forgotten', async (t) => {
    const { storage } = await producer(t);
    const many = generated(0, 1100);
    await storage.watch([many[1099] ?? '']);
    for (const id of many.slice(0, 1050)) await storage.enqueue(items([id]));
    assert.deepEqual(await storage.watch([many[0] ?? '', many[1049] ?? '']), [many[0]]);
  });
});
