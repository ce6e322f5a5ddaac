/** Connections to Redis that take everything and give nothing. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { newConsumerId } from '../../src/runtime/ids.js';
import type { StepCall } from '../../src/runtime/storage.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { sharedRedis } from '../actors/consumer-world.js';
import { startProxy, type Proxy } from '../faults/harness/proxy.js';
import { poll } from '../support/poll.js';

interface World {
  proxy: Proxy;
  storage: RedisStorage;
  consumer: string;
  call: (lane: number) => StepCall;
}

async function makeWorld(t: TestContext): Promise<World> {
  const proxy = await startProxy(t, await sharedRedis());
  const consumer = newConsumerId();
  const storage = new RedisStorage(consumer, { kind: 'redis', url: proxy.url });
  t.after(() => storage.close());
  await storage.register(consumer, 60_000);
  const call = (lane: number): StepCall => ({
    consumer,
    lane,
    seq: 1,
    completions: [],
    transitions: [],
    chunks: 1,
    chunkSize: 1,
    solo: false,
  });
  return { proxy, storage, consumer, call };
}

describe('a connection to Redis', { timeout: 60_000 }, () => {
  it('is left where it was taken and nothing was said: the driver would wait for ever', async (t) => {
    const { proxy, storage, consumer } = await makeWorld(t);
    proxy.swallow();
    proxy.cut();
    await poll('the end of the connections', () => proxy.connections === 0);
    // Its first connection is one of those that get no answer, for as long as they last.
    const beating = storage.beat(consumer, 60_000).catch(() => storage.beat(consumer, 60_000));
    await poll('a connection', () => proxy.connections > 0);
    proxy.resume();
    assert.equal((await beating).held, 0);
  });

  it('that waits for work takes the others with it, where it was half-open', async (t) => {
    const { proxy, storage, consumer, call } = await makeWorld(t);
    const waiting = storage.waitAndStep(call(1), 100).catch((error: unknown) => error as { outcomeUnknown?: boolean });
    await poll('the wait', () => proxy.delivered.get('BLMOVE') === 1);
    proxy.deafen();
    const lost = await waiting;
    assert.ok('outcomeUnknown' in lost && lost.outcomeUnknown === true);
    // Sent on the half-open connection: it ends when that is found out, well before its own time is over.
    const beganAt = performance.now();
    await storage.beat(consumer, 60_000).catch(() => storage.beat(consumer, 60_000));
    assert.ok(performance.now() - beganAt < 4500, 'it took the whole timeout of the call');
  });

  it('that was lost between two waits is known by its new number, so that a wait can be interrupted', async (t) => {
    const { proxy, storage, consumer, call } = await makeWorld(t);
    await storage.waitAndStep(call(1), 10);
    proxy.cut();
    await poll('the end of the connections', () => proxy.connections === 0);
    // By the time that one connection is back, both have seen their end.
    await poll('the way back', async () => (await storage.beat(consumer, 60_000)).now > 0);
    const waiting = storage.waitAndStep(call(2), 120_000);
    await poll('the wait', () => proxy.delivered.get('BLMOVE') === 2);
    storage.interrupt();
    assert.deepEqual((await waiting).chunks, []);
  });
});
