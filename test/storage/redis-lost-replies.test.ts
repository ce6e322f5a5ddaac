/** Writes that are carried out and whose reply is lost: made again, they have no second effect. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { newConsumerId } from '../../src/runtime/ids.js';
import { encodeRecord } from '../../src/runtime/completion.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import type { ScriptName } from '../../src/runtime/storage/redis-scripts.js';
import { sharedRedis } from '../actors/consumer-world.js';
import { startProxy, type Proxy } from '../faults/harness/proxy.js';
import { done, generated, idsOf, items, LEASE_MS, message, World, type StorageFixture } from './world.js';

const MINUTE_MS = 60_000;
const RECORD = encodeRecord('done', '1');

interface Lossy {
  world: World;
  storage: RedisStorage;
  proxy: Proxy;
  /** Makes a call whose reply is lost, and then again. */
  twice: <T>(script: ScriptName, call: () => Promise<T>) => Promise<T>;
}

async function lossy(t: TestContext): Promise<Lossy> {
  const proxy = await startProxy(t, await sharedRedis());
  const storage = new RedisStorage(newConsumerId(), { kind: 'redis', url: proxy.url });
  t.after(() => storage.close());
  const world = new World(fixtureOf(storage));
  const twice = async <T>(script: ScriptName, call: () => Promise<T>): Promise<T> => {
    const lost = proxy.loseReply(script);
    await assert.rejects(call(), { code: 'storage-unavailable', outcomeUnknown: true });
    await lost;
    return call();
  };
  return { world, storage, proxy, twice };
}

describe('a write to Redis whose reply is lost, made again', () => {
  it('stores a message once', async (t) => {
    const { world, storage, twice } = await lossy(t);
    const reply = await twice('hueyEnqueue', () => storage.enqueue([{ text: message('a') }, { text: message('b'), delayMs: MINUTE_MS }]));
    assert.deepEqual(reply.duplicates, [0, 1]);
    assert.deepEqual([await world.readyIds(), (await storage.counts()).scheduled], [['a'], 1]);
    const ids = generated(0, 3);
    assert.deepEqual((await twice('hueyEnqueuePlain', () => storage.enqueue(items(ids)))).duplicates, [0, 1, 2]);
    assert.deepEqual(await world.readyIds(), ['a', ...ids]);
  });

  it('enqueues a tick once, and promotes what is due once', async (t) => {
    const { world, storage, twice } = await lossy(t);
    assert.equal(await twice('hueyTick', () => storage.tick({ task: 'beat', minuteMs: MINUTE_MS, text: message('tick') })), false);
    assert.deepEqual(await world.readyIds(), ['tick']);
    await storage.enqueue([{ text: message('due'), delayMs: 1 }]);
    await world.pass(5);
    await twice('hueyPromote', () => storage.promote(10));
    assert.deepEqual(await world.readyIds(), ['tick', 'due']);
  });

  it('commits once and tells the same again: one next stage, one contribution, one callback', async (t) => {
    const { world, storage, twice } = await lossy(t);
    const consumer = await world.consumer();
    await storage.enqueue([{ text: message('a') }, { text: message('b') }], [{ id: 'chord', size: 1, callback: message('callback') }]);
    await consumer.take();
    const effects = { enqueue: [{ text: message('next') }], chord: { id: 'chord', index: 0, value: '1' } };
    const call = consumer.call({
      completions: [done('b')],
      transitions: [{ kind: 'settle', id: 'a', record: RECORD, ttlSeconds: 100, effects }],
    });
    const reply = await twice('hueyStep', () => storage.step(call));
    assert.deepEqual([reply.committed, reply.refused], [2, 0]);
    assert.deepEqual((await world.readyIds()).sort(), ['callback', 'next']);
    assert.deepEqual(await storage.readChord('chord'), ['1']);
  });

  it('leases once and tells the same tasks again', async (t) => {
    const { world, storage, twice } = await lossy(t);
    const consumer = await world.consumer();
    await world.enqueue(message('a'), message('b'), message('c'));
    for (const script of ['hueyQuickStep', 'hueyStep'] as const) {
      const call = consumer.call({ chunks: 1, chunkSize: 2, handOver: script === 'hueyStep' });
      const reply = await twice(script, () => storage.step(call));
      assert.deepEqual(reply.chunks, [{ text: `${message('a')},\n${message('b')}`, count: 2 }]);
      assert.deepEqual([await world.readyIds(), await world.held()], [['c'], 2]);
      await storage.release(consumer.id, ['a', 'b']);
    }
  });

  it('commits whole chunks and single tasks once, and leases with it', async (t) => {
    const { world, storage, twice } = await lossy(t);
    const consumer = await world.consumer();
    await storage.enqueue(items(generated(0, 9)));
    const first = await consumer.step({ chunks: 2, chunkSize: 4 });
    const alone = await consumer.take(1);
    const [one, two] = first.chunks.map((chunk) => idsOf({ ...first, chunks: [chunk] }));
    const completions = [one ?? [], idsOf(alone)].map((ids) => Buffer.concat(ids.map((id) => done(id))));
    await storage.enqueue(items(generated(1, 4)));
    const call = consumer.call({ completions, receipts: [first.chunks[0]?.receipt, undefined], chunks: 1, chunkSize: 4 });
    const reply = await twice('hueyQuickStep', () => storage.step(call));
    assert.deepEqual([reply.committed, reply.refused, await world.held(), reply.left], [5, 0, 8, 0]);
    assert.deepEqual(idsOf(reply), generated(1, 4));
    assert.equal((await consumer.finish(...(two ?? []), ...generated(1, 4))).committed, 8);
    assert.equal(await storage.resultCount(), 13);
  });

  it('gives back once, at the head, and enters and leaves once', async (t) => {
    const { world, storage, twice } = await lossy(t);
    await twice('hueyRegister', () => storage.register('c1', MINUTE_MS));
    assert.equal((await storage.counts()).consumers, 1);
    const consumer = await world.consumer();
    await world.enqueue(message('a'), message('b'), message('c'));
    await consumer.take();
    assert.equal(await twice('hueyRelease', () => storage.release('c1', ['a'])), 0);
    assert.deepEqual(await world.readyIds(), ['a']);
    await twice('hueyUnregister', () => storage.unregister('c1'));
    assert.deepEqual(await world.readyIds(), ['b', 'c', 'a']);
    assert.equal((await storage.counts()).consumers, 0);
  });

  it('loses nothing that a wait brought after its consumer was reaped, though that never asks again', async (t) => {
    for (const script of ['hueyQuickStep', 'hueyStep'] as const) {
      const { world, storage, proxy } = await lossy(t);
      const consumer = await world.consumer('frozen', storage, LEASE_MS);
      const call = { chunks: 1, chunkSize: 1, handOver: script === 'hueyStep' };
      await storage.step(consumer.call(call));
      const lost = proxy.loseReply(script);
      const waiting = assert.rejects(storage.waitAndStep(consumer.call(call), MINUTE_MS), { outcomeUnknown: true });
      await world.until(async () => (await storage.reap(LEASE_MS)).consumers.includes('frozen') || (await beatOf(storage)));
      await world.enqueue(message('a'));
      await lost;
      await waiting;
      assert.deepEqual(await world.readyIds(), ['a'], script);
    }
  });

  it('takes and frees a lock', async (t) => {
    const { storage, twice } = await lossy(t);
    assert.equal(await twice('hueyAcquireLock', () => storage.acquireLock('lock', { token: 'a', leaseMs: MINUTE_MS })), true);
    assert.equal(await storage.acquireLock('lock', { token: 'b', leaseMs: MINUTE_MS }), false);
    await twice('hueyReleaseLock', () => storage.releaseLock('lock', 'a'));
    assert.equal(await storage.isLocked('lock'), false);
  });

  it('keeps what was read as read, and revives a dead one once', async (t) => {
    const { world, storage, twice } = await lossy(t);
    const consumer = await world.consumer();
    await world.enqueue(message('a'), message('b'));
    await consumer.take();
    await consumer.finish('a');
    await consumer.move({ kind: 'bury', id: 'b', text: message('b'), reason: 'why', record: RECORD, ttlSeconds: 100 });
    await twice('hueyRemoveResults', () => storage.removeResults(['a']));
    assert.equal((await world.record('a'))?.[0], 'done');
    assert.equal(await twice('hueyRetryDead', () => storage.retryDead('b')), false);
    assert.deepEqual([await world.readyIds(), (await storage.counts()).dead], [['b'], 0]);
  });
});

/** Somebody must be heard all the time, or nobody is reaped. */
async function beatOf(storage: RedisStorage): Promise<false> {
  await storage.register('alive', LEASE_MS);
  return false;
}

/** These tests have one connection, and close it themselves. */
function fixtureOf(storage: RedisStorage): StorageFixture {
  const close = (): Promise<void> => storage.close();
  return { storage, another: async () => storage, pushRaw: () => Promise.reject(new Error('not used here')), close };
}
