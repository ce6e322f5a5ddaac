import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryHuey, RateLimitExceeded, RateLimitReached } from '../../src/api/index.js';
import { freshQueue } from './hand-consumer.js';

describe('a rate limit', () => {
  it('lets so many calls through in a window, in run, wrap and acquire', async () => {
    const huey = new MemoryHuey(freshQueue());
    const api = huey.rateLimit('api', { limit: 3, per: 60 });
    assert.equal(await api.currentUsage(), 0);
    assert.equal(await api.run(() => 5), 5);
    const call = api.wrap(function callApi(n: number) {
      return n + 1;
    });
    assert.equal(call.name, 'callApi');
    assert.equal(await call(1), 2);
    {
      await using counted = await api.acquire();
      assert.equal(counted.usage, 3);
      assert.ok(counted.reset > 0 && counted.reset <= 60);
    }
    assert.equal(await api.currentUsage(), 3);
    await assert.rejects(
      api.run(() => assert.fail('over the limit')),
      (error) => error instanceof RateLimitReached && error instanceof RateLimitExceeded && error.code === 'rate-limited',
    );
    // One limit across all Hueys of the queue.
    await assert.rejects(new MemoryHuey(huey.name).rateLimit('api', { limit: 3, per: 60 }).acquire(), { limit: 'api' });
    assert.equal(await huey.rateLimit('other', { limit: 1, per: 60 }).currentUsage(), 0);
  });

  it('begins anew when it is reset', async () => {
    const huey = new MemoryHuey(freshQueue());
    const api = huey.rateLimit('api', { limit: 1, per: 60 });
    await api.acquire();
    await api.reset();
    await api.acquire();
    await assert.rejects(api.acquire(), { code: 'rate-limited' });
  });

  it('refuses options that mean nothing', () => {
    const huey = new MemoryHuey(freshQueue());
    assert.throws(() => huey.rateLimit('a', { limit: 0, per: 1 }), { code: 'bad-option' });
    assert.throws(() => huey.rateLimit('a', { limit: 1, per: 0 }), { code: 'bad-option' });
    assert.throws(() => huey.rateLimit('a', { limit: 1, per: 1, every: 2 } as never), { code: 'unknown-option' });
    assert.throws(() => huey.rateLimit('', { limit: 1, per: 1 }), { code: 'bad-name' });
  });
});

describe('a task over its rate limit', () => {
  it('waits for the end of the window without spending a retry', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const signals: string[] = [];
    huey.signal('rate-limited', 'error', 'retrying', (signal) => signals.push(signal));
    const call = huey.task(huey.rateLimit('api', { limit: 1, per: 60 }).wrap(async function call() {}));
    await call();
    const res = await call();
    assert.deepEqual(signals, ['rate-limited', 'retrying']);
    assert.equal(await res.isReady(), false);
  });

  it('fails as rate-limited where it is not to be retried', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const signals: string[] = [];
    huey.signal('rate-limited', 'error', 'retrying', (signal) => signals.push(signal));
    const call = huey.task(huey.rateLimit('api', { limit: 1, per: 60, retry: false }).wrap(async function call() {}));
    await call();
    const res = await call();
    assert.deepEqual(signals, ['rate-limited']);
    await assert.rejects(res.get(), { name: 'RateLimitExceeded', code: 'rate-limited' });
  });
});
