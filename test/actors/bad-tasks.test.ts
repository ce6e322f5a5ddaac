import { Redis } from 'ioredis';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PayloadError, TaskDead, TaskException, TaskTimeout } from '../../src/runtime/errors.js';
import { encodeMessage } from '../../src/runtime/message.js';
import { tuple } from '../../src/runtime/tuple.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, sharedRedis } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 20 } as const;
const MEMORY = { kind: 'memory' } as const;

describe('a task that throws what is no proper error', () => {
  it('fails with an error that one can read, and its thread goes on', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 1 });
    const odd = {
      null: /null/,
      undefined: /undefined/,
      text: /just text/,
      symbol: /Symbol\(bean\)/,
      function: /1/,
      'no prototype': /\{\}/,
      'message that is a function': /Error/,
      'name that is a symbol': /Error: the message/,
      'stack of call sites': /the message/,
      'message that throws': /Error/,
      proxy: /./,
    };
    for (const [what, pattern] of Object.entries(odd)) {
      const result = await tasks.throwOdd(what);
      await assert.rejects(
        result.get(WAIT),
        (error) => error instanceof TaskException && !(error instanceof TaskDead) && pattern.test(error.message),
        what,
      );
    }
    for (const what of ['null', 'text']) await assert.rejects((await tasks.rejectOdd(what)).get(WAIT), new RegExp(what));
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
    assert.equal(world.logged(/thread died/).length, 0);
  });

  it('cannot pass its own codes off as ours', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 1 });
    await assert.rejects((await tasks.failWithCode('timeout')).get(WAIT), (error) => {
      assert.ok(error instanceof TaskException);
      assert.ok(!(error instanceof TaskTimeout));
      assert.equal(error.code, 'error');
      return true;
    });
  });
});

describe('a result that cannot be kept', () => {
  it('fails the task with the code payload', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 1 });
    for (const what of ['function', 'symbol', 'cycle', 'large']) {
      await assert.rejects(
        (await tasks.giveOdd(what)).get(WAIT),
        (error) => error instanceof TaskException && error.code === new PayloadError('').code,
        what,
      );
    }
    assert.equal(((await (await tasks.giveOdd('half')).get(WAIT)) as string).length, 512 * 1024);
  });
});

describe('a task that takes its thread down', () => {
  it('runs again, is dead after more than three deaths of its own, and its neighbours complete', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start();
    const poison = await tasks.exit(7);
    const neighbours = await tasks.add.map(Array.from({ length: 40 }, () => tuple(1, 2)));
    await assert.rejects(poison.get(WAIT), TaskDead);
    await Promise.all(neighbours.map((result) => result.get(WAIT)));
    assert.equal((await (await world.storage()).list('dead', 10)).length, 1);
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
  });

  it('by no means but an unhandled rejection fails, and its thread goes on', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 1 });
    await assert.rejects((await tasks.rejectUnhandled()).get(WAIT), /nobody handles this/);
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
    assert.equal(world.logged(/thread died/).length, 0);
  });

  it('by a timer that it left behind has done so after its end: that is told, and hurts nobody', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 1 });
    assert.equal(await (await tasks.leaveTimer()).get(WAIT), 'left');
    await poll('a word about it', () => world.logged(/belongs to no task/).length > 0);
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
  });

  it('is not blamed for the timer that another one left behind in its thread', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    const { file } = world.journal();
    await world.start({ workers: 1 });
    const left = await tasks.leaveTimer();
    // It runs while the timer throws, in the only thread that there is.
    const innocent = await tasks.rest(file, 'innocent', 0.5);
    assert.equal(await left.get(WAIT), 'left');
    assert.equal(await innocent.get(WAIT), 'innocent');
    await poll('a word about it', () => world.logged(/belongs to no task/).length > 0);
  });
});

describe('a task that does not end', () => {
  it('is stopped by the end of its thread, and what waited behind it is run without a charge', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    const neighbours = await tasks.contextOf.map(Array.from({ length: 20 }, (_, i) => i));
    const endless = await tasks.loop();
    neighbours.push(...(await tasks.contextOf.map(Array.from({ length: 20 }, (_, i) => 20 + i))));
    await world.start({ workers: 1 });
    await assert.rejects(endless.get(WAIT), (error) => error instanceof TaskTimeout && error.code === 'timeout');
    for (const result of neighbours) assert.deepEqual((await result.get(WAIT)).attempt, 1);
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
  });

  it('on every place at once is stopped everywhere, within a second after grace', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    await world.start({ workers: 2 });
    const startedAt = performance.now();
    const endless = [await tasks.loop(), await tasks.loop(), await tasks.loop(), await tasks.loop()];
    await Promise.all(endless.map((result) => assert.rejects(result.get(WAIT), TaskTimeout)));
    // Two rounds of 0.3 s and 0.1 s of grace; the rest is for a slow machine.
    assert.ok(performance.now() - startedAt < 8000);
    assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
  });

  it('but listens to its signal has timed out all the same, and keeps its thread', async (t) => {
    const world = await ConsumerWorld.make(t, MEMORY);
    const { tasks } = world;
    const { file, lines } = world.journal();
    await world.start({ workers: 1 });
    await assert.rejects((await tasks.listen(file)).get(WAIT), TaskTimeout);
    assert.deepEqual(lines(), ['TaskTimeout']);
    assert.equal(world.logged(/died/).length, 0);
  });
});

describe('what is no message', () => {
  const good = encodeMessage(
    { id: 'good', name: 'add', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 },
    '{"args":[1,2],"at":1}',
  );
  const head = good.slice(0, good.indexOf('",') + 2);
  const broken: Record<string, string> = {
    'no JSON': 'hello',
    'nothing to find an id in': '["1"]',
    'cut off': good.slice(0, -5),
    'a body that is cut off': `${head}{"args":[1`,
    'a body without arguments': `${head}{}]`,
    'a body that is null': `${head}null]`,
    'a list of bodies': `${head}[]]`,
    'two messages in one': `${good},${good.replace('good', 'more')}`,
    'a line break': good.replace(',', ',\n'),
    'a separator within': good.replace('[1,2]', '[1,\n2]'),
    'nested deep': `${head}{"args":${'['.repeat(10_000)}${']'.repeat(10_000)},"at":1}]`,
    'a tag that means nothing': `${head}{"args":[{"$":"nonsense","v":1}],"at":1}]`,
    'a prototype': `${head}{"args":1,"__proto__":{"args":[]},"at":1}]`,
  };

  for (const [what, raw] of Object.entries(broken)) {
    it(`ends as dead with its bytes, or runs where it can be read: ${what}`, async (t) => {
      const world = await ConsumerWorld.make(t, MEMORY);
      const { tasks } = world;
      MemoryStorage.shared(world.queue).pushRaw(raw);
      const before = await tasks.add.map(Array.from({ length: 5 }, () => tuple(1, 2)));
      await world.start({ workers: 1 });
      const after = await tasks.add(3, 4);
      await Promise.all([...before, after].map((result) => result.get(WAIT)));
      await world.drained();
      const dead = await (await world.storage()).list('dead', 10);
      const [record] = await (await world.storage()).readResults(['good']);
      if (record?.state === 'done' || record?.state === 'failed') assert.equal(dead.length, 0);
      else
        assert.deepEqual(
          dead.map(({ text }) => text),
          [raw],
        );
      assert.equal(({} as { args?: unknown }).args, undefined);
    });
  }

  it('is put aside on Redis too, and is in no way of the others', async (t) => {
    const { url } = await sharedRedis();
    const world = await ConsumerWorld.make(t, { kind: 'redis' });
    const client = new Redis(url);
    t.after(async () => void client.disconnect());
    // Each with an id of its own: what is dead is kept by id.
    const raws = Object.values(broken).map((raw, i) => raw.replaceAll('good', `good-${i}`));
    for (const raw of raws) await client.rpush(`huey:{${world.queue}}:ready`, raw);
    const result = await world.tasks.add(3, 4);
    await world.start({ workers: 2 });
    assert.equal(await result.get(WAIT), 7);
    await world.drained();
    const dead = (await (await world.storage()).list('dead', 100)).map(({ text }) => text);
    for (const [i, what] of Object.keys(broken).entries()) {
      const [record] = await (await world.storage()).readResults([`good-${i}`]);
      if (record?.state !== 'done' && record?.state !== 'failed') assert.ok(dead.includes(raws[i] ?? ''), what);
    }
  });
});
