/** When marks on invocations are forgotten on Redis, whose clock no test can move: the instants are read from the server. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { after, before, describe, it, type TestContext } from 'node:test';
import { DAY_MS } from '../../src/runtime/limits.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { message } from './world.js';

const LIFE_MS = 30 * DAY_MS;
const ALWAYS = { once: false, untilMs: 0 };

let server: RedisServer;
let client: Redis;
let queues = 0;

before(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});

after(async () => {
  client.disconnect();
  await server.stop();
});

function open(t: TestContext): { storage: RedisStorage; prefix: string; endOf: (id: string) => Promise<number> } {
  const queue = `marks${queues++}`;
  const storage = new RedisStorage(queue, { kind: 'redis', url: server.url });
  t.after(() => storage.close());
  const { prefix } = new RedisKeys(queue);
  const endOf = async (id: string): Promise<number> => Number((await client.hget(`${prefix}marks`, `i:${id}`))?.slice(14));
  return { storage, prefix, endOf };
}

describe('marks on Redis', () => {
  it('are forgotten 30 days from now, or after what they are on is due', async (t) => {
    const { storage, prefix, endOf } = open(t);
    const { now } = await storage.promote(0);
    const dueAt = now + 90 * DAY_MS;
    await storage.enqueue([
      { text: message('far'), etaMs: dueAt },
      { text: message('near'), etaMs: now + DAY_MS },
    ]);
    for (const id of ['far', 'near']) await storage.revoke({ id }, ALWAYS);
    assert.deepEqual(await storage.readMark({ id: 'far' }), ALWAYS);
    assert.equal(await endOf('far'), dueAt + LIFE_MS);
    const later = (await storage.promote(0)).now;
    const end = await endOf('near');
    assert.ok(end >= now + LIFE_MS && end <= later + LIFE_MS, `${end}`);
    assert.deepEqual(await client.hkeys(`${prefix}far`), ['far']);
  });

  it('on one that was replaced last as long', async (t) => {
    const { storage, endOf } = open(t);
    const dueAt = (await storage.promote(0)).now + 90 * DAY_MS;
    await storage.enqueue([{ text: message('old'), etaMs: dueAt }]);
    await storage.enqueue([{ text: message('new'), etaMs: dueAt, replaces: 'old' }]);
    assert.equal(await endOf('old'), dueAt + LIFE_MS);
  });

  it('that nothing used up are swept by who looks for dead consumers', async (t) => {
    const { storage, prefix } = open(t);
    await storage.revoke({ id: 'new' }, ALWAYS);
    await storage.revoke({ task: 'job' }, ALWAYS);
    const past = String(Date.now() - DAY_MS).padStart(13, '0');
    await client.hset(`${prefix}marks`, 'i:old', `${'0'.repeat(13)}1${past}`, 't:over', `${past}0${'0'.repeat(13)}`);
    assert.equal(await storage.readMark({ id: 'old' }), undefined);
    await storage.reap(1000);
    assert.deepEqual((await client.hkeys(`${prefix}marks`)).sort(), ['i:new', 't:job']);
  });

  it('lead to nothing left of one that became due', async (t) => {
    const { storage, prefix } = open(t);
    await storage.enqueue([{ text: message('a'), etaMs: (await storage.promote(0)).now + 90 * DAY_MS }]);
    // Its day comes.
    const [text] = await client.zrange(`${prefix}scheduled`, '0', '0');
    await client.zadd(`${prefix}scheduled`, '1', text ?? '');
    assert.equal((await storage.promote(10)).promoted, 1);
    assert.equal(await client.exists(`${prefix}far`), 0);
  });
});
