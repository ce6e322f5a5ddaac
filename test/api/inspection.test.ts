import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryHuey, TaskException } from '../../src/api/index.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function declare() {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue);
  const mail = huey.task({ retries: 2, retryDelay: 10, retryBackoff: 2, timeout: 30 }, function mail(to: string, at?: Date) {
    return `${to} ${at?.getTime()}`;
  });
  return { queue, huey, mail, consumer: new HandConsumer(queue) };
}

async function makeDead({ huey, consumer }: ReturnType<typeof declare>, id: string): Promise<void> {
  const text = (await consumer.storage.list('running', 10)).find((one) => one.text.includes(id))?.text ?? '';
  await consumer.storage.step({
    consumer: 'hand',
    lane: 2,
    seq: 1,
    completions: [],
    transitions: [{ kind: 'bury', id, text, reason: 'it killed its thread', record: 'x{"reason":"it killed its thread"}', ttlSeconds: 60 }],
    chunks: 0,
    chunkSize: 0,
    solo: false,
  });
  assert.equal(await huey.deadCount(), 1);
}

describe('what a queue holds', () => {
  it('is listed as people write it', async () => {
    const { huey, mail } = declare();
    const res = await mail.withOptions({ priority: 5, meta: { tenant: 'a' } })('me', new Date(5));
    assert.deepEqual(await huey.pending(), [
      {
        id: res.id,
        name: 'mail',
        args: ['me', new Date(5)],
        priority: 5,
        retries: 2,
        retryDelay: 10,
        retryBackoff: 2,
        timeout: 30,
        eta: undefined,
        meta: { tenant: 'a' },
      },
    ]);
  });

  it('is pending, scheduled, or running', async () => {
    const { huey, mail, consumer } = declare();
    const eta = new Date(Date.now() + 3_600_000);
    await mail('a');
    await consumer.take();
    await mail('b');
    await mail('c');
    await mail.schedule({ args: ['d'], eta });
    assert.deepEqual(
      (await huey.pending()).map(({ args }) => args),
      [['b'], ['c']],
    );
    assert.equal((await huey.pending({ limit: 1 })).length, 1);
    const [scheduled] = await huey.scheduled();
    assert.deepEqual([scheduled?.args, scheduled?.eta], [['d'], eta]);
    assert.deepEqual(
      (await huey.running()).map(({ args }) => args),
      [['a']],
    );
    assert.deepEqual(
      [await huey.pendingCount(), await huey.scheduledCount(), await huey.runningCount(), await huey.deadCount()],
      [2, 1, 1, 0],
    );
    assert.deepEqual(await huey.stats(), { pending: 2, scheduled: 1, running: 1, dead: 0, results: 0, consumers: 1 });
  });

  it('refuses limits that make no sense', async () => {
    const { huey } = declare();
    for (const limit of [0, -1, 1.5, NaN, '5'])
      await assert.rejects(async () => huey.pending({ limit: limit as number }), { code: 'bad-option' });
    await assert.rejects(async () => huey.scheduled({ limits: 5 } as never), /did you mean "limit"/);
  });

  it('shows what cannot be read as that', async () => {
    const { queue, huey } = declare();
    const strict = new MemoryHuey(queue, { signing: { keys: ['k'] } });
    await huey.task(function plain() {})();
    const [listed] = await strict.pending();
    assert.equal(listed?.name, 'plain');
    assert.match(listed?.unreadable ?? '', /not signed/);
  });
});

describe('dead tasks', () => {
  it('are listed with the reason, and retried or dropped by hand', async () => {
    const world = declare();
    const { huey, mail, consumer } = world;
    const res = await mail('a');
    await consumer.take();
    await makeDead(world, res.id);
    const [dead] = await huey.dead();
    assert.deepEqual([dead?.id, dead?.reason, dead?.args], [res.id, 'it killed its thread', ['a']]);
    assert.ok(dead?.at instanceof Date);
    assert.equal(await huey.retryDead(res.id), true);
    assert.equal(await huey.retryDead(res.id), false);
    assert.deepEqual([await huey.deadCount(), await huey.pendingCount()], [0, 1]);
    assert.equal(await huey.dropDead(res.id), false);
    await assert.rejects(huey.dropDead('a b'), { code: 'bad-id' });
  });

  it('are gone once dropped', async () => {
    const world = declare();
    const res = await world.mail('a');
    await world.consumer.take();
    await makeDead(world, res.id);
    assert.equal(await world.huey.dropDead(res.id), true);
    assert.equal(await world.huey.deadCount(), 0);
  });
});

describe('results that nobody read', () => {
  it('are listed by id, failures as errors, and stay', async () => {
    const { huey, mail, consumer } = declare();
    const [a, b, c] = await mail.map(['a', 'b', 'c']);
    await consumer.take();
    await consumer.complete(a?.id ?? '', new Map([['x', 1]]));
    await consumer.end(b?.id ?? '', 'failed', '{"error":"TypeError: no"}');
    await consumer.end(c?.id ?? '', 'done');
    const all = await huey.allResults();
    assert.deepEqual(Object.keys(all).sort(), [a?.id, b?.id].sort());
    assert.deepEqual(all[a?.id ?? ''], new Map([['x', 1]]));
    assert.ok(all[b?.id ?? ''] instanceof TaskException);
    assert.equal(await huey.resultCount(), 2);
    assert.deepEqual(await a?.get(), new Map([['x', 1]]));
    assert.equal(await huey.resultCount(), 1);
  });
});

describe('values by key', () => {
  it('are put, looked at, taken and deleted', async () => {
    const { huey } = declare();
    await huey.put('k', new Date(5));
    assert.deepEqual(await huey.get('k', { peek: true }), new Date(5));
    assert.deepEqual(await huey.get('k'), new Date(5));
    assert.equal(await huey.get('k'), undefined);
    assert.equal(await huey.putIfEmpty('k', 1), true);
    assert.equal(await huey.putIfEmpty('k', 2), false);
    await huey.put('k', 3);
    assert.equal(await huey.delete('k'), true);
    assert.equal(await huey.delete('k'), false);
    await huey.put('nothing', undefined);
    assert.equal(await huey.putIfEmpty('nothing', 1), false);
  });

  it('refuse keys and values that cannot be kept', async () => {
    const { huey } = declare();
    for (const key of ['', 5, 'x'.repeat(1001)]) await assert.rejects(huey.put(key as string, 1), { code: 'bad-key' });
    await assert.rejects(
      huey.put('k', () => 1),
      /the value of "k" is a function/,
    );
    await assert.rejects(huey.get('k', { peak: true } as never), /did you mean "peek"/);
  });
});

describe('flush', () => {
  it('clears everything of the queue', async () => {
    const { huey, mail } = declare();
    await mail.withOptions({ id: 'one' })('a');
    await mail.schedule({ args: ['a'], delay: 60 });
    await huey.put('k', 1);
    await mail.revoke();
    await huey.flush();
    assert.deepEqual(await huey.stats(), { pending: 0, scheduled: 0, running: 0, dead: 0, results: 0, consumers: 0 });
    assert.equal(await huey.get('k'), undefined);
    assert.equal(await mail.isRevoked(), false);
    await mail.withOptions({ id: 'one' })('a');
    assert.equal(await huey.pendingCount(), 1);
  });
});
