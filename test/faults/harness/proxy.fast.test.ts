import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { newConsumerId } from '../../../src/runtime/ids.js';
import { RedisStorage } from '../../../src/runtime/storage/redis.js';
import { poll } from '../../support/poll.js';
import { sharedRedis } from '../../actors/consumer-world.js';
import { startProxy, type Proxy } from './proxy.js';
import { redisCommand } from './redis-wire.js';
import { FrameSplitter } from './resp.js';

interface World {
  proxy: Proxy;
  /** Through the proxy. */
  far: RedisStorage;
  /** Straight to the server. */
  near: RedisStorage;
}

async function makeWorld(t: TestContext): Promise<World> {
  const server = await sharedRedis();
  const proxy = await startProxy(t, server);
  const queue = `q${randomBytes(6).toString('hex')}`;
  const far = new RedisStorage(queue, { kind: 'redis', url: proxy.url });
  const near = new RedisStorage(queue, { kind: 'redis', url: server.url });
  t.after(() => Promise.all([far.close(), near.close()]).then(() => undefined));
  return { proxy, far, near };
}

describe('the splitter of the protocol', () => {
  const stream = Buffer.from(
    '*2\r\n$4\r\nECHO\r\n$6\r\na\r\nb\r\n\r\n+PONG\r\n:7\r\n-NOSCRIPT none\r\n*-1\r\n$-1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n%1\r\n+a\r\n*2\r\n:1\r\n_\r\n',
    'latin1',
  );
  const expected = [
    ['*', 'ECHO', 'a\r\nb\r\n'],
    ['+', 'PONG'],
    [':', '7'],
    ['-', 'NOSCRIPT none'],
    ['*'],
    ['$'],
    ['>', 'message', 'c', ''],
    ['%', 'a', '1', ''],
  ];

  it('gives the same frames, wherever the stream was cut into pieces', () => {
    for (let size = 1; size <= stream.length; size++) {
      const splitter = new FrameSplitter();
      const frames = [];
      for (let at = 0; at < stream.length; at += size) frames.push(...splitter.push(stream.subarray(at, at + size)));
      assert.deepEqual(
        frames.map(({ type, words }) => [type, ...words]),
        expected,
      );
      assert.deepEqual(Buffer.concat(frames.map(({ bytes }) => bytes)), stream);
    }
  });
});

describe('the proxy', () => {
  it('passes everything on, and counts what by the names of the scripts', async (t) => {
    const { proxy, far } = await makeWorld(t);
    await far.putKey('bean', '1', false);
    assert.equal(await far.getKey('bean', true), '1');
    assert.equal(proxy.delivered.get('HSET'), 1);
    assert.ok((proxy.delivered.get('hueyTakeKey') ?? 0) >= 1);
  });

  it('loses the reply of the second request of a kind, which the server has carried out', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    const lost = proxy.loseReply('hueyRegister', 2);
    await far.register(newConsumerId(), 10_000);
    const consumer = newConsumerId();
    await assert.rejects(far.register(consumer, 10_000), { code: 'storage-unavailable', outcomeUnknown: true });
    assert.equal((await lost).kind, 'hueyRegister');
    assert.equal((await near.counts()).consumers, 2);
    await far.register(consumer, 10_000);
    assert.equal((await near.counts()).consumers, 2);
  });

  it('waits for the reply of a script that the server did not know at first', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    await redisCommand((await sharedRedis()).port, 'SCRIPT', 'FLUSH');
    const lost = proxy.loseReply('hueyRegister');
    await assert.rejects(far.register(newConsumerId(), 10_000), { outcomeUnknown: true });
    await lost;
    assert.equal((await near.counts()).consumers, 1);
  });

  it('loses a request, of which the server learns nothing', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    const lost = proxy.loseRequest(({ kind, words }) => kind === 'HSET' && words[2] === 'bean');
    await far.putKey('other', '1', false);
    await assert.rejects(far.putKey('bean', '1', false), { outcomeUnknown: true });
    await lost;
    assert.equal(await near.getKey('bean', false), undefined);
  });

  it('does not deliver what follows a request whose reply is lost', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    await far.open();
    const lost = proxy.loseReply('HSET');
    const outcomes = await Promise.allSettled([far.putKey('a', '1', false), far.putKey('b', '1', false)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await lost;
    assert.deepEqual([await near.getKey('a', false), await near.getKey('b', false)], ['1', undefined]);
  });

  it('holds everything back while it stalls, and delivers it then', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    await far.open();
    proxy.stall();
    let stored = false;
    const storing = far.putKey('bean', '1', false).then(() => (stored = true));
    // Beside the stalled connection the server answers many times over.
    for (let i = 0; i < 50; i++) assert.equal(await near.getKey('bean', false), undefined);
    assert.equal(stored, false);
    proxy.resume();
    assert.equal(await storing, true);
    assert.equal(await near.getKey('bean', false), '1');
  });

  it('cuts what is open; the next connection works', async (t) => {
    const { proxy, far } = await makeWorld(t);
    await far.open();
    assert.equal(proxy.connections, 1);
    proxy.cut();
    await poll('the end of the connection', () => proxy.connections === 0);
    await far.open();
    assert.equal(proxy.connections, 1);
  });

  it('leaves connections half-open, and lets new ones pass', async (t) => {
    const { proxy, far, near } = await makeWorld(t);
    await far.open();
    proxy.deafen();
    const storing = far.putKey('bean', '1', false);
    const other = new RedisStorage('other', { kind: 'redis', url: proxy.url });
    t.after(() => other.close());
    await other.open();
    proxy.cut();
    await assert.rejects(storing, { outcomeUnknown: true });
    assert.equal(await near.getKey('bean', false), undefined);
    await far.putKey('bean', '1', false);
  });
});
