import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ResultWaiter } from '../../src/api/result-waiter.js';
import type { ResultRecord } from '../../src/runtime/completion.js';
import { ResultTimeout, StorageRefused, StorageUnavailable } from '../../src/runtime/errors.js';
import { FakeStorage } from './fake-storage.js';

const DONE: ResultRecord = { state: 'done', payload: '1' };
const HOUR_MS = 3_600_000;

function setUp(lookMs = HOUR_MS) {
  const storage = new FakeStorage();
  return { storage, waiter: new ResultWaiter(storage, lookMs) };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `id-${n}`);
}

describe('waiting for results', () => {
  it('watches first and looks then, so that no end is missed', async () => {
    const { storage, waiter } = setUp();
    storage.before = (verb) => {
      // It ends while the storage is being asked to tell.
      if (verb === 'watch') storage.records.set('a', DONE);
    };
    assert.deepEqual(await waiter.wait('a'), DONE);
    assert.deepEqual(storage.calls, ['watch 1', 'read 1', 'unwatch 1']);
  });

  it('is settled by pushes, with the record or without', async () => {
    const { storage, waiter } = setUp();
    const [a, b] = [waiter.wait('a'), waiter.wait('b')];
    await setImmediate();
    storage.end('a', DONE);
    storage.end('b', DONE, 'without record');
    assert.deepEqual([await a, await b], [DONE, DONE]);
  });

  it('settles everybody who waits for the same task', async () => {
    const { storage, waiter } = setUp();
    const waits = [waiter.wait('a'), waiter.wait('a'), waiter.wait('a', 1)];
    await assert.rejects(waits[2] ?? Promise.resolve(), ResultTimeout);
    storage.end('a', DONE);
    assert.deepEqual(await Promise.all(waits.slice(0, 2)), [DONE, DONE]);
  });

  it('looks again by itself where a push is lost', async () => {
    const { storage, waiter } = setUp(1);
    const waits = [waiter.wait('a'), waiter.wait('b')];
    await setImmediate();
    storage.end('a', DONE, 'lost');
    storage.end('b', DONE, 'lost');
    assert.deepEqual(await Promise.all(waits), [DONE, DONE]);
    assert.ok(storage.calls.includes('read 2'));
  });

  it('looks again when an outage is over', async () => {
    const { storage, waiter } = setUp();
    const wait = waiter.wait('a');
    await setImmediate();
    storage.events.onOutage?.(true);
    storage.end('a', DONE, 'lost');
    storage.events.onOutage?.(false);
    assert.deepEqual(await wait, DONE);
  });

  it('goes on while the storage is away, and watches when it is back', async () => {
    const { storage, waiter } = setUp(1);
    let away = 3;
    storage.before = () => {
      if (away-- > 0) throw new StorageUnavailable('away');
    };
    const wait = waiter.wait('a');
    while (!storage.watched.has('a')) await setImmediate();
    storage.end('a', DONE);
    assert.deepEqual(await wait, DONE);
  });

  it('ends where the storage refuses: waiting does not help', async () => {
    const { storage, waiter } = setUp();
    storage.before = () => {
      throw new StorageRefused('wrong password');
    };
    await assert.rejects(waiter.wait('a'), StorageRefused);
  });

  it('ends by its timeout though the storage never answers', async () => {
    const { storage, waiter } = setUp();
    storage.before = () => new Promise(() => undefined);
    await assert.rejects(waiter.wait('a', 1), (error) => error instanceof ResultTimeout && error.taskId === 'a');
  });

  it('can begin anew for an id at once', async () => {
    const { storage, waiter } = setUp();
    const first = waiter.wait('a');
    await setImmediate();
    storage.events.onEnded?.([{ id: 'a', record: DONE }]);
    const second = waiter.wait('a');
    await first;
    await setImmediate();
    assert.ok(storage.watched.has('a'));
    storage.end('a', DONE);
    assert.deepEqual(await second, DONE);
    await setImmediate();
    assert.equal(storage.watched.size, 0);
  });

  it('takes a hundred thousand waits in calls of a thousand', async () => {
    const { storage, waiter } = setUp();
    const ids = numbered(100_000);
    const waits = Promise.all(ids.map((id) => waiter.wait(id, HOUR_MS)));
    while (storage.watched.size < ids.length) await setImmediate();
    storage.events.onEnded?.(ids.map((id) => ({ id, record: DONE })));
    assert.equal((await waits).length, ids.length);
    assert.equal(storage.calls.filter((call) => call === 'watch 1000').length, 100);
    await setImmediate();
    assert.equal(storage.watched.size, 0);
  });
});

describe('removing values that have arrived', () => {
  it('goes in one call, before the next look', async () => {
    const { storage, waiter } = setUp();
    for (const id of ['a', 'b', 'c']) {
      storage.records.set(id, DONE);
      waiter.remove(id);
    }
    assert.equal(await waiter.look('a'), undefined);
    assert.deepEqual(storage.calls, ['remove 3', 'read 1']);
  });

  it('is no error where it fails', async () => {
    const { storage, waiter } = setUp();
    storage.before = (verb) => {
      if (verb === 'remove') throw new StorageUnavailable('away');
    };
    waiter.remove('a');
    await waiter.close(new Error('closed'));
    assert.deepEqual(storage.calls, ['remove 1']);
  });
});
