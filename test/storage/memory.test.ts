import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { describeStorage } from './conformance.js';
import { idsOf, items, type StorageFixture } from './world.js';

const START_MS = Date.UTC(2026, 0, 1);

async function withMovedClock(): Promise<StorageFixture> {
  let now = START_MS;
  const storage = new MemoryStorage('q', { now: () => now });
  const others: MemoryStorage[] = [];
  return {
    storage,
    another: async () => {
      const other = storage.another();
      others.push(other);
      return other;
    },
    pushRaw: async (text) => storage.pushRaw(text),
    advance: (ms) => (now += ms),
    close: async () => {
      for (const one of [storage, ...others]) await one.close();
    },
  };
}

describeStorage('memory', withMovedClock, { clockMoves: true, histories: 200 });

describeStorage('memory (real clock)', async () => {
  const storage = new MemoryStorage('q');
  return {
    storage,
    another: async () => storage.another(),
    pushRaw: async (text) => storage.pushRaw(text),
    close: async () => storage.close(),
  };
});

it('shares one queue of a name within a thread', async () => {
  const producer = MemoryStorage.shared('shared');
  const consumer = MemoryStorage.shared('shared');
  await producer.enqueue(items(['a']));
  assert.equal((await MemoryStorage.shared('other').counts()).ready, 0);
  await consumer.register('c', 1000);
  await producer.close();
  const reply = await consumer.step({
    consumer: 'c',
    lane: 0,
    seq: 1,
    completions: [],
    transitions: [],
    chunks: 1,
    chunkSize: 1,
    solo: false,
  });
  assert.deepEqual(idsOf(reply), ['a']);
});
