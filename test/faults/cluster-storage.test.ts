/** The whole contract of the storage, in a cluster of three masters; and a move of its slot that does not come to an end. */
import assert from 'node:assert/strict';
import { Cluster } from 'ioredis';
import { after, before, describe, it } from 'node:test';
import { StorageUnavailable } from '../../src/runtime/errors.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { describeStorage } from '../storage/conformance.js';
import { items } from '../storage/world.js';
import { startCluster, type RedisCluster } from '../support/redis-cluster.js';

let cluster: RedisCluster;
let client: Cluster;
let queues = 0;

before(async () => {
  cluster = await startCluster();
  client = new Cluster(cluster.nodes.map(({ server }) => ({ host: '127.0.0.1', port: server.port })));
});

after(async () => {
  client.disconnect();
  await cluster.stop();
});

describeStorage('redis cluster', async () => {
  const queue = `q${queues++}`;
  const opened: RedisStorage[] = [];
  const open = async (): Promise<RedisStorage> => {
    const storage = new RedisStorage(queue, { kind: 'redis', url: cluster.url });
    opened.push(storage);
    await storage.open();
    return storage;
  };
  return {
    storage: await open(),
    another: open,
    pushRaw: async (text) => void (await client.rpush(new RedisKeys(queue).ready, text)),
    close: async () => {
      for (const storage of opened) await storage.close();
    },
  };
});

describe('a slot that stays half moved', () => {
  it('is said to be so, and nothing is stored meanwhile', async (t) => {
    const queue = `q${queues++}`;
    const { ready } = new RedisKeys(queue);
    const storage = new RedisStorage(queue, { kind: 'redis', url: cluster.url });
    t.after(() => storage.close());
    await storage.enqueue(items(['a']));
    const [slot, from] = [await cluster.slotOf(ready), await cluster.ownerOf(ready)];
    const to = cluster.nodes.find((node) => node.id !== from.id);
    assert.ok(to);
    await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id);
    await assert.rejects(storage.enqueue(items(['b'])), (error) => {
      assert.ok(error instanceof StorageUnavailable && !error.outcomeUnknown);
      return /being moved/.test(error.message);
    });
    for (const { client } of [from, to]) await client.cluster('SETSLOT', slot, 'STABLE');
    assert.equal((await storage.counts()).ready, 1);
  });
});
