/** What a storage does to cancel one invocation, wherever it is. */
import assert from 'node:assert/strict';
import type { WaitingMessage } from '../../src/runtime/canceling.js';
import { encodeRecord } from '../../src/runtime/completion.js';
import { HueyException } from '../../src/runtime/errors.js';
import { DAY_MS } from '../../src/runtime/limits.js';
import { idOf } from '../../src/runtime/message.js';
import type { Effects, Storage, Transition } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { idsOf, items, message, numbered, tellings } from './world.js';

const CANCELED = ['canceled', '"stop"'];

export function describeCancel({ check, checkLong }: Checks): void {
  check('knows nothing of an id, and leaves nothing behind', async (world) => {
    const { storage } = world;
    assert.equal(await storage.cancel('a'), 'waiting');
    assert.equal(await storage.findWaiting('a'), undefined);
    assert.equal(await storage.withdrawCancel('a'), 'waiting');
    await storage.enqueue(items(['a']));
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['a']);
  });

  check('finds what waits, in whichever place, and ends it there', async (world) => {
    const { storage } = world;
    await world.enqueue(message('ready'), message('hi', { priority: 3 }), message('lo', { priority: -3 }), message('alone', { lapses: 2 }));
    await storage.enqueue([{ text: message('later'), delayMs: 365 * DAY_MS }]);
    for (const id of ['ready', 'hi', 'lo', 'alone', 'later']) {
      assert.equal(await storage.cancel(id), 'waiting', id);
      assert.equal(await end(storage, id), true, id);
      assert.deepEqual(await world.record(id), CANCELED, id);
      assert.equal(await storage.cancel(id), 'ended', id);
      assert.equal(await storage.withdrawCancel(id), 'ended', id);
      assert.equal(await storage.findWaiting(id), undefined, id);
    }
    const { ready, scheduled } = await storage.counts();
    assert.deepEqual({ ready, scheduled }, { ready: 0, scheduled: 0 });
    const consumer = await world.consumer();
    const { chunks, dropped, left, solo } = await consumer.step({ chunks: 1, chunkSize: 9, solo: true });
    assert.deepEqual({ chunks, dropped, left, solo }, { chunks: [], dropped: [], left: 0, solo: undefined });
  });

  check('takes one out of the middle; the others stay in order', async (world) => {
    const { storage } = world;
    await world.enqueue(...['a', 'b', 'c', 'd'].map((id) => message(id)));
    assert.equal(await end(storage, 'b'), true);
    assert.deepEqual(await world.readyIds(), ['a', 'c', 'd']);
    assert.equal((await storage.counts()).ready, 3);
    await world.enqueue(message('e'));
    const consumer = await world.consumer();
    const ids: string[] = [];
    for (let left = 1; left > 0;) {
      const reply = await consumer.take(2);
      left = reply.left;
      ids.push(...idsOf(reply));
    }
    assert.deepEqual(ids, ['a', 'c', 'd', 'e']);
    assert.deepEqual((await storage.list('dead', 9)).length, 0);
  });

  check('finds one among many, while others come and go', async (world) => {
    const ids = numbered(3000);
    await world.storage.enqueue(items(ids.slice(0, 2500)));
    const consumer = await world.consumer();
    const found = world.storage.findWaiting('t01800');
    await world.storage.enqueue(items(ids.slice(2500)));
    await consumer.take(500);
    assert.equal(idOf((await found)?.text ?? ''), 't01800');
    assert.equal(await end(world.storage, 't01800'), true);
    assert.equal((await world.storage.counts()).ready, 2499);
  });

  check('does not take for it what has an id that begins alike', async (world) => {
    await world.enqueue(message('ab'));
    await world.storage.enqueue([{ text: message('abc'), delayMs: 60_000 }]);
    assert.equal(await world.storage.findWaiting('a'), undefined);
    assert.equal(idOf((await world.storage.findWaiting('ab'))?.text ?? ''), 'ab');
  });

  check('ends exactly the message that was found', async (world) => {
    const { storage } = world;
    await world.enqueue(message('a'));
    const found = await storage.findWaiting('a');
    assert.ok(found);
    const consumer = await world.consumer();
    await consumer.take();
    assert.equal(await storage.endWaiting(found, settle('a')), false);
    await consumer.move({ kind: 'requeue', id: 'a', text: message('a', { attempts: 1 }), delayMs: 0, at: 'tail' });
    assert.equal(await storage.endWaiting(found, settle('a')), false);
    assert.equal(await world.record('a'), undefined);
    assert.equal(await end(storage, 'a'), true);
  });

  check('applies with the end all that belongs to it, once', async (world) => {
    const { storage } = world;
    const told = tellings(storage);
    await storage.watch(['a', 'stage']);
    const text = message('a', { linked: true });
    await storage.enqueue(
      [{ text, delayMs: 60_000, unique: { key: 'k', onConflict: 'existing', ttlMs: 0 } }],
      [{ id: 'ch', size: 1, callback: message('callback') }],
    );
    const effects: Effects = {
      freeUnique: 'k',
      also: [{ id: 'stage', record: encodeRecord('canceled', '"why"'), ttlSeconds: 100 }],
      chord: { id: 'ch', index: 0, value: 'null' },
    };
    const found = await storage.findWaiting('a');
    assert.ok(found);
    assert.equal(await storage.endWaiting(found, settle('a', effects)), true);
    assert.equal(await storage.endWaiting(found, settle('a', effects)), false);
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
    assert.deepEqual(await world.readyIds(), ['callback']);
    const again = { text: message('b'), unique: { key: 'k', onConflict: 'reject', ttlMs: 0 } as const };
    assert.deepEqual(await storage.enqueue([again]), { duplicates: [], conflicts: [] });
    await world.until(async () => told.has('a') && told.has('stage'));
  });

  check('tells the consumer of what runs, at once, from any process', async (world) => {
    const { storage } = world;
    const told: string[] = [];
    storage.listen({ onCancel: (ids) => told.push(...ids) });
    const consumer = await world.consumer();
    const other = await world.fixture.another();
    await world.enqueue(message('a'), message('b'), message('c'));
    await consumer.take();
    await world.until(async () => {
      // Until it is known that somebody listens.
      assert.equal(await other.cancel('a'), 'running');
      return told.includes('a');
    });
    assert.equal(await storage.cancel('b'), 'running');
    await world.until(async () => told.includes('b'));
    assert.ok(!told.includes('c'));
  });

  check('repeats at every heartbeat what runs and is canceled, until it has ended', async (world) => {
    const { storage } = world;
    const consumer = await world.consumer();
    const beat = async (id = consumer.id): Promise<string[]> => (await storage.beat(id, 60_000)).canceled.sort();
    await world.enqueue(message('a'), message('b'), message('c'));
    await consumer.take();
    assert.deepEqual(await beat(), []);
    await storage.cancel('a');
    await storage.cancel('b');
    assert.equal(await storage.withdrawCancel('a'), 'running');
    const other = await world.consumer('other');
    assert.deepEqual(await beat(other.id), []);
    assert.deepEqual(await beat(), ['a', 'b']);
    await consumer.settle('a', {}, 'canceled');
    await consumer.finish('b');
    assert.deepEqual(await beat(), []);
    assert.deepEqual(await world.record('b'), ['done', '1']);
    assert.equal(await storage.cancel('b'), 'ended');
  });

  check('drops what is leased after all, and hands it over, plain or linked', async (world) => {
    const { storage } = world;
    const consumer = await world.consumer();
    await world.enqueue(message('a', { name: 'mail.send' }), message('b', { linked: true, priority: 1 }), message('c'));
    await storage.cancel('a');
    await storage.cancel('b');
    const call = consumer.call({ chunks: 1, chunkSize: 9 });
    const reply = await storage.step(call);
    assert.deepEqual(idsOf(reply), ['c']);
    assert.deepEqual(
      [...reply.dropped].sort((one, two) => (one.id < two.id ? -1 : 1)),
      [
        { id: 'a', name: 'mail.send', state: 'canceled', text: message('a', { name: 'mail.send' }) },
        { id: 'b', name: 'job', state: 'canceled', text: message('b', { linked: true, priority: 1 }) },
      ],
    );
    assert.deepEqual((await storage.step(call)).dropped, reply.dropped);
    assert.equal((await storage.heldIds(consumer.id)).length, 3);
    // Its consumer dies before it has settled it: the next one comes to the same.
    await storage.unregister(consumer.id);
    const next = await world.consumer('next');
    const again = await next.take();
    assert.deepEqual(again.dropped.map(({ id, state }) => `${id} ${state}`).sort(), ['a canceled', 'b canceled']);
    await next.settle('a', {}, 'canceled', '"stop"');
    assert.deepEqual(await world.record('a'), CANCELED);
    assert.deepEqual((await storage.beat(next.id, 60_000)).canceled, ['b']);
  });

  check('drops a suspect, too', async (world) => {
    await world.enqueue(message('a', { lapses: 2 }));
    await world.storage.cancel('a');
    const consumer = await world.consumer();
    const { solo, dropped } = await consumer.step({ chunks: 1, chunkSize: 1, solo: true });
    assert.equal(solo, undefined);
    assert.deepEqual(
      dropped.map(({ id, state }) => [id, state]),
      [['a', 'canceled']],
    );
  });

  check('does not let a retry of what is canceled wait', async (world) => {
    const { storage } = world;
    await world.enqueue(message('a'), message('b'));
    const consumer = await world.consumer();
    await consumer.take();
    await storage.cancel('a');
    await consumer.move(
      ...['a', 'b'].map((id) => ({ kind: 'requeue', id, text: message(id, { attempts: 1 }), delayMs: 3_600_000, at: 'tail' }) as const),
    );
    assert.equal((await storage.counts()).scheduled, 1);
    assert.deepEqual(
      (await consumer.take()).dropped.map(({ id, state }) => [id, state]),
      [['a', 'canceled']],
    );
  });

  check('keeps it apart from what is revoked', async (world) => {
    const { storage } = world;
    await world.enqueue(message('a'));
    await storage.revoke({ id: 'a' }, { once: true, untilMs: 0 });
    await storage.cancel('a');
    assert.equal(await storage.restore({ id: 'a' }), true);
    assert.equal(await storage.readMark({ id: 'a' }), undefined);
    const consumer = await world.consumer();
    assert.deepEqual(
      (await consumer.take()).dropped.map(({ state }) => state),
      ['canceled'],
    );
  });

  check('forgets the mark where it ends by another’s hand: replaced, or with one before it', async (world) => {
    const { storage } = world;
    await world.enqueue(message('old'), message('a'));
    const consumer = await world.consumer();
    for (const id of ['old', 'stage']) assert.equal(await storage.cancel(id), 'waiting');
    await storage.revoke({ id: 'stage' }, { once: false, untilMs: 0 });
    await storage.enqueue([{ text: message('new'), replaces: 'old' }]);
    assert.deepEqual(
      (await consumer.take()).dropped.map(({ id, state }) => [id, state]),
      [['old', 'revoked']],
    );
    assert.deepEqual(await world.record('old'), ['revoked', '']);
    await consumer.settle('a', { also: [{ id: 'stage', record: encodeRecord('canceled', '"why"'), ttlSeconds: 100 }] });
    assert.equal(await storage.readMark({ id: 'stage' }), undefined);
    assert.equal(await storage.cancel('stage'), 'ended');
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
  });

  check('has nothing to cancel of what is dead, and forgets nothing of it', async (world) => {
    const { storage } = world;
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    const record = encodeRecord('dead', '{}');
    await consumer.move({ kind: 'bury', id: 'a', text: message('a'), reason: 'r', record, ttlSeconds: 9 });
    assert.equal(await storage.cancel('a'), 'ended');
    assert.equal(await storage.retryDead('a'), true);
    assert.deepEqual(await consumer.takeIds(), ['a']);
  });

  checkLong('keeps the mark until 30 days after the due date, and forgets it then', async (world) => {
    const { storage } = world;
    const dueAt = (await world.now()) + 90 * DAY_MS;
    await storage.enqueue(['near', 'over'].map((id) => ({ text: message(id), etaMs: dueAt })));
    await storage.cancel('near');
    await storage.cancel('over');
    await world.pass(120 * DAY_MS - 1);
    assert.equal((await storage.promote(9)).promoted, 2);
    const consumer = await world.consumer();
    const first = await consumer.take(1);
    assert.deepEqual(
      first.dropped.map(({ id, state }) => [id, state]),
      [['near', 'canceled']],
    );
    await world.pass(1);
    assert.deepEqual(await consumer.takeIds(), ['over']);
  });

  check('refuses what is no id, no place, and no end of that message', async (world) => {
    const { storage } = world;
    await world.enqueue(message('a'));
    const found = await storage.findWaiting('a');
    assert.ok(found);
    await assert.rejects(storage.cancel('a b'), HueyException);
    await assert.rejects(storage.findWaiting(''), HueyException);
    await assert.rejects(storage.endWaiting(found, settle('b')), HueyException);
    await assert.rejects(storage.endWaiting({ ...found, text: 'x' } satisfies WaitingMessage, settle('a')), HueyException);
    assert.deepEqual(await world.readyIds(), ['a']);
  });
}

function settle(id: string, effects?: Effects): Extract<Transition, { kind: 'settle' }> {
  return { kind: 'settle', id, record: encodeRecord('canceled', '"stop"'), ttlSeconds: 100, ...(effects === undefined ? {} : { effects }) };
}

async function end(storage: Storage, id: string): Promise<boolean> {
  const found = await storage.findWaiting(id);
  return found !== undefined && storage.endWaiting(found, settle(id));
}
