/** A user with the rights that docs/redis.md lists, and no others: every script, the pushes, the waits. All of the contract runs in test/faults. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { RedisHuey } from '../../src/api/index.js';
import { StorageRefused } from '../../src/runtime/errors.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { scriptsFor } from '../../src/runtime/storage/redis-scripts.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { ACL_PASSWORD, ACL_USER, aclWords, makeAclUser, refusedByAcl } from '../support/acl.js';
import { poll } from '../support/poll.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { Consumer, items, tellings } from './world.js';

let server: RedisServer;
let admin: Redis;
let url: string;

before(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
  await makeAclUser(admin);
  url = `redis://${ACL_USER}:${ACL_PASSWORD}@127.0.0.1:${server.port}`;
});

after(async () => {
  admin.disconnect();
  await server.stop();
});

describe('a user of Redis with few rights', () => {
  it('may do what a queue needs, and is refused nothing on the way', async (t) => {
    const storage = new RedisStorage('acl', { kind: 'redis', url });
    t.after(() => storage.close());
    await storage.open();
    await storage.register('c', 60_000);
    const consumer = new Consumer(storage, 'c');
    const told = tellings(storage);
    await storage.watch(['a']);
    const waiting = storage.waitAndStep(consumer.call({ chunks: 1, chunkSize: 1 }), 20_000);
    await storage.enqueue(items(['a']));
    assert.equal((await waiting).chunks.length, 1);
    await consumer.finish('a');
    await poll('the news', () => told.get('a')?.state === 'done');
    assert.equal(await storage.eventsWanted(), false);
    storage.interrupt();
    await storage.flush();
    assert.deepEqual(await refusedByAcl(admin), []);
  });

  it('may run every command that stands in a script', () => {
    const commands = new Set(
      Object.values(scriptsFor(true)).flatMap((lua) =>
        [...lua.replaceAll("'PUBSUB', 'NUMSUB'", "'PUBSUB|NUMSUB'").matchAll(/redis\.call\(([^,)]*)/g)].flatMap(([, name = '']) =>
          [...name.matchAll(/'([A-Z|]+)'/g)].map(([, word = '']) => word),
        ),
      ),
    );
    assert.ok(commands.size > 20, 'the commands were found');
    const rights = new Set(aclWords());
    const missing = [...commands].filter((name) => !rights.has(`+${name.toLowerCase()}`));
    assert.deepEqual(missing, []);
  });

  it('may touch nothing else', async () => {
    const client = new Redis(url);
    for (const command of [['get', 'other'], ['publish', 'other', 'x'], ['flushall'], ['keys', '*'], ['config', 'set', 'maxmemory', '1']]) {
      const [name = '', ...args] = command;
      await assert.rejects(client.call(name, ...args), /NOPERM/, command.join(' '));
    }
    client.disconnect();
  });

  it('is told what it lacks, without the password', async (t) => {
    await admin.call('ACL', 'SETUSER', 'poor', 'on', `>${ACL_PASSWORD}`, '~huey:*', '+ping', '+info');
    const huey = new RedisHuey('acl', { url: url.replace(ACL_USER, 'poor') });
    t.after(() => huey.close());
    await assert.rejects(huey.pendingCount(), (error) => {
      assert.ok(error instanceof StorageRefused);
      assert.match(error.message, /NOPERM/);
      return true;
    });
    const wrong = new RedisStorage('acl', { kind: 'redis', url: url.replace(ACL_PASSWORD, 'not-the-secret') });
    t.after(() => wrong.close());
    await assert.rejects(wrong.open(), (error) => {
      assert.ok(error instanceof StorageRefused);
      assert.match(error.message, /WRONGPASS/);
      // Also not where whoever prints it shows all that hangs on it.
      assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), /not-the-secret/);
      return true;
    });
    assert.equal(await admin.exists(new RedisKeys('acl').ready), 0);
  });
});
