/**
 * The storage in a cluster of three masters: a few of its verbs, with the news that are pushed, and a slot that moves. The whole
 * conformance suite runs there in test/faults.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { StorageRefused } from '../../src/runtime/errors.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { poll } from '../support/poll.js';
import { startCluster, type ClusterNode, type RedisCluster } from '../support/redis-cluster.js';
import { startRedis } from '../support/redis.js';
import { Consumer, done, idsOf, items, message, numbered, tellings } from './world.js';

const LEASE_MS = 60_000;
let cluster: RedisCluster;
let queues = 0;

before(async () => {
  cluster = await startCluster();
});

after(() => cluster.stop());

interface Place {
  queue: string;
  key: string;
  storage: RedisStorage;
}

/** A queue of its own, opened through any node. */
async function place(t: { after(hook: () => Promise<void>): void }): Promise<Place> {
  const queue = `cluster${queues++}`;
  const storage = new RedisStorage(queue, { kind: 'redis', url: cluster.url });
  t.after(() => storage.close());
  await storage.open();
  return { queue, key: new RedisKeys(queue).ready, storage };
}

async function anotherNode(key: string): Promise<ClusterNode> {
  const owner = await cluster.ownerOf(key);
  const other = cluster.nodes.find((node) => node.id !== owner.id);
  assert.ok(other);
  return other;
}

describe('the Redis storage in a cluster', () => {
  it('finds each queue on the node that has its slot, and tells who has ended', async (t) => {
    const owners = new Set<string>();
    for (let n = 0; n < 6; n++) {
      const { storage, key } = await place(t);
      owners.add((await cluster.ownerOf(key)).id);
      const told = tellings(storage);
      await storage.register('c', LEASE_MS);
      const consumer = new Consumer(storage, 'c');
      await storage.watch(['a']);
      await storage.enqueue(items(['a', 'b']));
      assert.deepEqual(await consumer.takeIds(), ['a', 'b']);
      await consumer.step({ completions: [done('a', '"first"'), done('b', '"second"')] });
      await poll('the news', () => told.get('a')?.state === 'done');
      assert.deepEqual(await storage.counts(), { ready: 0, scheduled: 0, running: 0, dead: 0, consumers: 1 });
      assert.equal(await storage.resultCount(), 2);
      await storage.flush();
      assert.equal(await storage.resultCount(), 0);
    }
    assert.ok(owners.size > 1, 'the queues are on several nodes');
  });

  it('follows the slot of a queue to another node, with waits and calls under way', async (t) => {
    const { storage, key, queue } = await place(t);
    const told = tellings(storage);
    const consumer = new Consumer(storage, 'c');
    await storage.register('c', LEASE_MS);
    await storage.enqueue(items(numbered(10)));
    assert.equal((await consumer.takeIds()).length, 10);
    await storage.watch(['late']);
    const waiting = storage.waitAndStep(consumer.call({ lane: 1, seq: 1, chunks: 1, chunkSize: 10 }), 20_000);
    const to = await anotherNode(key);
    await cluster.moveSlot(key, to);
    assert.equal((await cluster.ownerOf(key)).id, to.id);
    await storage.enqueue([{ text: message('late') }]);
    const other = new RedisStorage(queue, { kind: 'redis', url: cluster.url });
    t.after(() => other.close());
    await poll('all of them on the new node', async () => {
      const { running, ready } = await other.counts();
      return running + ready === 11;
    });
    const reply = await waiting;
    // The wait may have ended with nothing when the slot had gone.
    const taken = idsOf(reply).length > 0 ? idsOf(reply) : await consumer.takeIds();
    assert.deepEqual(taken, ['late']);
    const ended = await consumer.finish(...numbered(10), 'late');
    assert.deepEqual([ended.committed, ended.refused], [11, 0]);
    await poll('the news of what ended after the move', () => told.get('late')?.state === 'done');
  });

  it('lets calls wait while the slot is half moved, and carries none out in halves', async (t) => {
    const { storage, key } = await place(t);
    await storage.register('c', LEASE_MS);
    const consumer = new Consumer(storage, 'c');
    // Keys of all kinds, so that the move has many halves.
    await storage.enqueue([...items(numbered(5)), { text: message('later'), delayMs: 60_000 }]);
    assert.equal((await consumer.takeIds(3)).length, 3);
    await storage.putKey('k', '1', false);
    const calls: Promise<unknown>[] = [];
    let n = 0;
    await cluster.moveSlot(key, await anotherNode(key), async () => {
      n += 1;
      calls.push(storage.enqueue(items([`during${n}`])), storage.beat('c', LEASE_MS));
      if (n === 2) calls.push(consumer.step({ completions: [done('t00000')], chunks: 1, chunkSize: 1 }));
      await Promise.resolve();
    });
    await Promise.all(calls);
    const counts = await storage.counts();
    assert.deepEqual([counts.ready + counts.running, counts.scheduled], [5 + n - 1, 1]);
    assert.equal((await storage.readResults(['t00000']))[0]?.state, 'done');
  });

  it('refuses a server that is no cluster, at once and in words', async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const storage = new RedisStorage('q', { kind: 'redis', url: server.url.replace('redis:', 'redis+cluster:') });
    t.after(() => storage.close());
    await assert.rejects(storage.open(), (error) => error instanceof StorageRefused && /no node of a cluster/.test(error.message));
  });

  it('says what the URL should be where a node is taken for a server of its own', async (t) => {
    const queue = 'elsewhere';
    const owner = await cluster.ownerOf(new RedisKeys(queue).ready);
    const other = cluster.nodes.find((node) => node.id !== owner.id);
    const storage = new RedisStorage(queue, { kind: 'redis', url: other?.server.url ?? '' });
    t.after(() => storage.close());
    await assert.rejects(storage.enqueue(items(['a'])), /redis\+cluster:\/\//);
  });
});
