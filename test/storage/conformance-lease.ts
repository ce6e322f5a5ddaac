/** Taking messages: how many, in which order, and what is never handed out. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ConsumerReaped } from '../../src/runtime/errors.js';
import { HOUR_MS, SECOND_MS, UNKNOWN_TASK_TTL_MS } from '../../src/runtime/limits.js';
import { idOf } from '../../src/runtime/message.js';
import type { Checks } from './conformance.js';
import { idsOf, items, message, numbered } from './world.js';

export function describeLease({ check, checkLong }: Checks): void {
  check('spreads what is there evenly over the chunks', async (world) => {
    await world.storage.enqueue(items(numbered(5)));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 4, chunkSize: 4 });
    assert.deepEqual(
      reply.chunks.map(({ count }) => count),
      [2, 2, 1],
    );
    assert.deepEqual(idsOf(reply), numbered(5));
    assert.equal(reply.left, 0);
    assert.equal(await world.held(), 5);
  });

  check('takes no more than was asked for, and says what is left', async (world) => {
    await world.storage.enqueue(items(numbered(10)));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 2, chunkSize: 3 });
    assert.deepEqual(
      reply.chunks.map(({ count }) => count),
      [3, 3],
    );
    assert.equal(reply.left, 4);
    const { ready, running } = await world.storage.counts();
    assert.deepEqual({ ready, running }, { ready: 4, running: 6 });
  });

  check('takes nothing where no chunk was asked for', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 0, chunkSize: 16 });
    assert.deepEqual(reply.chunks, []);
    assert.equal(reply.left, 1);
  });

  check('counts messages alone as left, whatever wakes those who wait for them', async (world) => {
    const consumer = await world.consumer();
    assert.equal((await consumer.step()).left, 0);
    await world.enqueue(message('suspect', { lapses: 2 }));
    assert.equal((await consumer.step()).left, 0);
    await world.enqueue(message('high', { priority: 1 }));
    assert.equal((await consumer.step()).left, 1);
    await world.enqueue(message('plain'));
    assert.equal((await consumer.step()).left, 2);
  });

  check('leaves the other consumers their share, and takes at least one', async (world) => {
    await world.storage.enqueue(items(numbered(9)));
    const first = await world.consumer('c1');
    const second = await world.consumer('c2');
    assert.equal((await first.takeIds()).length, 5);
    assert.equal((await second.takeIds()).length, 2);
    assert.equal((await first.takeIds()).length, 1);
    assert.equal((await second.takeIds()).length, 1);
    assert.equal((await first.takeIds()).length, 0);
  });

  check('hands out each message to one of several that take at the same time', async (world) => {
    const ids = numbered(1000);
    await world.storage.enqueue(items(ids));
    const storages = [world.storage, await world.fixture.another(), await world.fixture.another()];
    const consumers = await Promise.all(storages.map((storage, n) => world.consumer(`c${n}`, storage)));
    const taken: string[] = [];
    const drain = async (consumer: (typeof consumers)[number]): Promise<void> => {
      for (let got = await consumer.takeIds(7); got.length > 0; got = await consumer.takeIds(7)) {
        taken.push(...got);
        assert.equal((await consumer.finish(...got)).committed, got.length);
      }
    };
    await Promise.all(consumers.map(drain));
    assert.deepEqual(taken.sort(), ids);
  });

  check('takes higher priorities first, then the rest, then lower ones; equals first in, first out', async (world) => {
    const priorities = { p0: 0, low2: -2, hi1: 1, hi5: 5, low1: -1, p1: 0, hi5b: 5, top: 4000, low2b: -2, last: -4000 };
    await world.enqueue(...Object.entries(priorities).map(([id, priority]) => message(id, { priority })));
    const consumer = await world.consumer();
    const order = ['top', 'hi5', 'hi5b', 'hi1', 'p0', 'p1', 'low1', 'low2', 'low2b', 'last'];
    assert.deepEqual(await consumer.takeIds(4), order.slice(0, 4));
    assert.equal((await world.storage.counts()).ready, 6);
    assert.deepEqual(await consumer.takeIds(), order.slice(4));
  });

  check('hands out a suspect alone, one at a time, only to who asks for it', async (world) => {
    await world.enqueue(message('s1', { lapses: 2 }), message('s2', { lapses: 3, priority: 9 }), message('plain', { lapses: 1 }));
    const consumer = await world.consumer();
    assert.equal((await world.storage.counts()).ready, 3);
    assert.deepEqual(await consumer.takeIds(), ['plain']);
    const reply = await consumer.step({ chunks: 2, chunkSize: 8, solo: true });
    assert.ok(reply.solo !== undefined);
    assert.equal(idOf(reply.solo), 's1');
    assert.deepEqual(reply.chunks, []);
    assert.equal(await world.held(), 2);
    const next = await consumer.takeSolo();
    assert.ok(next !== undefined);
    assert.equal(idOf(next), 's2');
    assert.equal(await consumer.takeSolo(), undefined);
  });

  check('takes the first suspect that may start', async (world) => {
    const ids = ['expired', 'revoked', 'good', 'next'];
    await world.enqueue(...ids.map((id) => message(id, { lapses: 2, expiresAt: id === 'expired' ? 1 : 0 })));
    await world.storage.revoke({ id: 'revoked' }, { once: true, untilMs: 0 });
    const consumer = await world.consumer();
    assert.equal(idOf((await consumer.takeSolo()) ?? ''), 'good');
    assert.deepEqual((await world.record('revoked'))?.[0], 'revoked');
    assert.deepEqual(await world.readyIds(), ['next']);
  });

  check('lets a suspect and ordinary tasks come along in one call', async (world) => {
    await world.enqueue(message('a'), message('s', { lapses: 2 }), message('b'));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 2, chunkSize: 1, solo: true });
    assert.equal(idOf(reply.solo ?? ''), 's');
    assert.deepEqual(idsOf(reply), ['a', 'b']);
    assert.deepEqual((await consumer.storage.heldIds(consumer.id)).sort(), ['a', 'b', 's']);
  });

  check('ends what has expired instead of handing it out', async (world) => {
    const now = await world.now();
    await world.enqueue(
      message('old', { expiresAt: now - 1 }),
      message('soon', { expiresAt: 30, expiryIsRelative: true, priority: 1 }),
      message('good', { expiresAt: now + HOUR_MS }),
    );
    await world.until(async () => (await world.now()) > now + 200);
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual(idsOf(reply), ['good']);
    const dropped = reply.dropped.toSorted((a, b) => a.id.localeCompare(b.id));
    assert.deepEqual(dropped, [
      { id: 'old', name: 'job', state: 'expired' },
      { id: 'soon', name: 'job', state: 'expired' },
    ]);
    assert.deepEqual(await world.record('old'), ['expired', '']);
    assert.deepEqual(await world.record('soon'), ['expired', '']);
    assert.equal(await world.held(), 1);
  });

  check('puts what is no message aside as dead, with its bytes, and goes on', async (world) => {
    // Ids that no record could carry would come back for ever.
    const odd = [message('ü'), message('x'.repeat(129)), message('x', { name: 'a\u0001b' }), message('a\u007f')];
    const bad = ['hello', '["1 nearly a message', message('x').slice(0, 30), '{"id":1}', ...odd];
    for (const text of bad) await world.fixture.pushRaw(text);
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual(idsOf(reply), ['a']);
    const ids = bad.map((text) => createHash('sha1').update(text).digest('hex'));
    assert.deepEqual(
      reply.dropped,
      ids.map((id) => ({ id, name: '', state: 'dead' })),
    );
    const dead = await world.storage.list('dead', 10);
    assert.deepEqual(
      new Map(dead.map(({ id, text, reason }) => [id, [text, reason]])),
      new Map(ids.map((id, n) => [id, [bad[n], 'malformed']])),
    );
    const { ready, running, scheduled, dead: count } = await world.storage.counts();
    assert.deepEqual({ ready, running, scheduled, count }, { ready: 0, running: 1, scheduled: 0, count: bad.length });
  });

  check('gives a message of another version back for a second, whatever it looks like', async (world) => {
    const newer = ['["2', '["2x{"id":1}', '["2!!!!!!!!!!?????', message('x').replace('["1', '["2'), `["2${'~'.repeat(100)}"]`];
    for (const text of newer) await world.fixture.pushRaw(text);
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual([reply.chunks, reply.dropped], [[], []]);
    assert.equal((await world.storage.counts()).scheduled, newer.length);
    const { nextDueAt } = await world.storage.promote(10);
    assert.ok(nextDueAt !== undefined && nextDueAt >= reply.now + SECOND_MS && nextDueAt < reply.now + 2 * SECOND_MS);
    let promoted = 0;
    await world.until(async () => (promoted += (await world.storage.promote(10)).promoted) === newer.length);
    assert.equal((await world.storage.counts()).ready, newer.length);
    assert.deepEqual(idsOf(await consumer.take()), []);
    assert.equal((await world.storage.counts()).scheduled, newer.length);
  });

  checkLong('gives a message of another version up after an hour, looking ever more rarely', async (world) => {
    const newer = message('x').replace('["1', '["2');
    const startedAt = await world.now();
    await world.fixture.pushRaw(newer);
    const consumer = await world.consumer();
    const looksAfterMs: number[] = [];
    for (;;) {
      const reply = await consumer.take();
      looksAfterMs.push(reply.now - startedAt);
      if (reply.dropped.length > 0) break;
      const { nextDueAt } = await world.storage.promote(1);
      assert.ok(nextDueAt !== undefined);
      await world.pass(nextDueAt - reply.now);
      assert.equal((await world.storage.promote(1)).promoted, 1);
    }
    assert.deepEqual(looksAfterMs.slice(0, 8), [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000]);
    const lastMs = looksAfterMs.at(-1) ?? 0;
    assert.ok(lastMs >= UNKNOWN_TASK_TTL_MS && lastMs <= UNKNOWN_TASK_TTL_MS + 60_000);
    const [dead] = await world.storage.list('dead', 1);
    assert.deepEqual([dead?.text, dead?.reason], [newer, 'unknown version']);
  });

  check('refuses a consumer that is not registered', async (world) => {
    await world.enqueue(message('a'));
    const call = { consumer: 'nobody', lane: 0, seq: 1, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false };
    await assert.rejects(world.storage.step(call), ConsumerReaped);
    assert.equal((await world.storage.counts()).ready, 1);
  });
}
