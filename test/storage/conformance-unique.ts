/** Unique keys, and invocations that take the place of others. */
import assert from 'node:assert/strict';
import { HueyException } from '../../src/runtime/errors.js';
import { END_MARKER_TTL_MS } from '../../src/runtime/limits.js';
import type { EnqueueItem, UniqueClaim } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { idsOf, items, message, tellings } from './world.js';

const NOTHING = { duplicates: [], conflicts: [] };

export function describeUnique({ check, checkLong }: Checks): void {
  check('stores one invocation of a key, and says who has it', async (world) => {
    const { storage } = world;
    assert.deepEqual(await storage.enqueue([claiming('a'), { text: message('plain') }]), NOTHING);
    assert.deepEqual(
      await storage.enqueue([{ text: message('x') }, claiming('b'), claiming('c', 'reject'), claiming('d', 'existing', 'k2')]),
      {
        duplicates: [],
        conflicts: [
          { index: 1, id: 'a' },
          { index: 2, id: 'a' },
        ],
      },
    );
    assert.deepEqual(await world.readyIds(), ['a', 'plain', 'x', 'd']);
    assert.deepEqual(await storage.enqueue([claiming('b', 'existing', 'k3')]), NOTHING);
  });

  check('lets one call have a key once', async (world) => {
    assert.deepEqual(await world.storage.enqueue([claiming('a'), claiming('b')]), { duplicates: [], conflicts: [{ index: 1, id: 'a' }] });
  });

  check('takes the same invocation again for a duplicate and no conflict', async (world) => {
    for (const duplicates of [[], [0], [0]]) {
      assert.deepEqual(await world.storage.enqueue([claiming('a', 'reject')]), { duplicates, conflicts: [] });
    }
  });

  check('takes a repeat for a duplicate also where somebody else has its key by now', async (world) => {
    for (const id of ['a', 'mb1x2k9c7f3k0q2z000']) {
      await world.storage.enqueue([claiming(id, 'reject')]);
      await world.storage.freeUnique('k', id);
      await world.storage.enqueue([claiming(`other-${id}`)]);
      for (const onConflict of ['existing', 'reject'] as const) {
        assert.deepEqual(await world.storage.enqueue([claiming(id, onConflict)]), { duplicates: [0], conflicts: [] });
      }
      await world.storage.freeUnique('k', `other-${id}`);
    }
  });

  check('frees a key with the end of the one that has it, and of no other', async (world) => {
    await world.storage.enqueue([claiming('a'), { text: message('b') }]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('b', { freeUnique: 'k' });
    assert.deepEqual((await world.storage.enqueue([claiming('c')])).conflicts, [{ index: 0, id: 'a' }]);
    await consumer.settle('a', { freeUnique: 'k' });
    assert.deepEqual(await world.storage.enqueue([claiming('c')]), NOTHING);
  });

  check('lets what follows an end have the key that the end frees', async (world) => {
    await world.storage.enqueue([claiming('a')]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('a', { freeUnique: 'k', enqueue: [claiming('b')] });
    assert.deepEqual(await world.readyIds(), ['b']);
  });

  check('does not store what follows an end where somebody has its key', async (world) => {
    await world.storage.enqueue([{ text: message('a') }, claiming('holder')]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('a', { enqueue: [claiming('b'), { text: message('c') }] });
    assert.deepEqual(await world.readyIds(), ['c']);
  });

  check('frees a key by hand, where it is that invocation’s', async (world) => {
    await world.storage.enqueue([claiming('a')]);
    await world.storage.freeUnique('k', 'b');
    assert.equal((await world.storage.enqueue([claiming('c')])).conflicts.length, 1);
    for (let n = 0; n < 2; n++) await world.storage.freeUnique('k', 'a');
    assert.deepEqual(await world.storage.enqueue([claiming('c')]), NOTHING);
  });

  check('frees a key after its time', async (world) => {
    await world.storage.enqueue([claiming('a', 'existing', 'k', 300)]);
    const endsAt = (await world.now()) + 300;
    assert.equal((await world.storage.enqueue([claiming('b')])).conflicts.length, 1);
    await world.until(async () => (await world.now()) >= endsAt);
    assert.deepEqual(await world.storage.enqueue([claiming('b')]), NOTHING);
  });

  checkLong('keeps a key without a time for ever', async (world) => {
    await world.storage.enqueue([claiming('a')]);
    await world.pass(400 * 24 * 60 * 60 * 1000);
    assert.equal((await world.storage.enqueue([claiming('b')])).conflicts.length, 1);
  });

  check('replaces one that waits: it ends as revoked, and never starts', async (world) => {
    await world.storage.enqueue([claiming('old')]);
    const waiting = await world.fixture.another();
    const told = tellings(waiting);
    await waiting.watch(['old']);
    for (const duplicates of [[], [0]]) {
      assert.deepEqual(await world.storage.enqueue([claiming('new', 'replace')]), { duplicates, conflicts: [] });
    }
    await world.until(async () => told.get('old')?.state === 'revoked');
    assert.deepEqual(await world.record('old'), ['revoked', '']);
    assert.deepEqual((await world.storage.enqueue([claiming('other')])).conflicts, [{ index: 0, id: 'new' }]);
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual(idsOf(reply), ['new']);
    assert.deepEqual(
      reply.dropped.map(({ id, state }) => [id, state]),
      [['old', 'revoked']],
    );
  });

  check('leaves one that runs, but for its key', async (world) => {
    await world.storage.enqueue([claiming('old')]);
    const consumer = await world.consumer();
    await consumer.take();
    assert.deepEqual(await world.storage.enqueue([claiming('new', 'replace')]), NOTHING);
    assert.equal(await world.record('old'), undefined);
    assert.equal(await world.storage.readMark({ id: 'old' }), undefined);
    await consumer.settle('old', { freeUnique: 'k' });
    assert.deepEqual(await world.record('old'), ['done', '1']);
    assert.deepEqual((await world.storage.enqueue([claiming('other')])).conflicts, [{ index: 0, id: 'new' }]);
  });

  check('puts an invocation in the place of another that waits or is scheduled', async (world) => {
    await world.storage.enqueue([{ text: message('ready') }, { text: message('later'), delayMs: 60_000 }]);
    const later = { text: message('later2'), delayMs: 90_000, replaces: 'later' };
    assert.deepEqual(await world.storage.enqueue([{ text: message('ready2'), replaces: 'ready' }, later]), NOTHING);
    assert.deepEqual(await world.record('ready'), ['revoked', '']);
    assert.deepEqual(await world.record('later'), ['revoked', '']);
    assert.equal((await world.storage.readMark({ id: 'later' }))?.once, true);
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['ready2']);
  });

  check('replaces nothing that runs or has ended', async (world) => {
    await world.storage.enqueue(items(['runs', 'ended']));
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.finish('ended');
    await world.storage.enqueue([
      { text: message('a'), replaces: 'runs' },
      { text: message('b'), replaces: 'ended' },
    ]);
    assert.deepEqual(await world.storage.readResults(['runs', 'ended']), [undefined, { state: 'done', payload: '1' }]);
    assert.equal(await world.storage.readMark({ id: 'runs' }), undefined);
    assert.equal(await world.storage.readMark({ id: 'ended' }), undefined);
  });

  check('replaces once, however often the call is repeated', async (world) => {
    await world.storage.enqueue(items(['old']));
    const replacing = [{ text: message('new'), replaces: 'old' }];
    await world.storage.enqueue(replacing);
    const consumer = await world.consumer();
    await consumer.take();
    assert.equal(await world.storage.readMark({ id: 'old' }), undefined);
    assert.deepEqual((await world.storage.enqueue(replacing)).duplicates, [0]);
    assert.equal(await world.storage.readMark({ id: 'old' }), undefined);
  });

  checkLong('keeps the end marker of what was replaced for ten minutes', async (world) => {
    await world.storage.enqueue([{ text: message('old'), delayMs: 10 * END_MARKER_TTL_MS }]);
    await world.storage.enqueue([{ text: message('new'), replaces: 'old' }]);
    await world.pass(END_MARKER_TTL_MS - 1);
    assert.deepEqual(await world.record('old'), ['revoked', '']);
    await world.pass(1);
    assert.equal(await world.record('old'), undefined);
    assert.ok((await world.storage.readMark({ id: 'old' })) !== undefined);
  });

  check('refuses a claim that makes no sense, and stores nothing of that call', async (world) => {
    for (const claim of [{ key: '' }, { ttlMs: NaN }, { ttlMs: -1 }, { onConflict: 'maybe' as 'reject' }]) {
      const item = { text: message('x'), unique: { key: 'k', onConflict: 'reject' as const, ttlMs: 0, ...claim } };
      await assert.rejects(world.storage.enqueue([{ text: message('a') }, item]), HueyException, JSON.stringify(claim));
    }
    assert.deepEqual(await world.readyIds(), []);
  });
}

function claiming(id: string, onConflict: UniqueClaim['onConflict'] = 'existing', key = 'k', ttlMs = 0): EnqueueItem {
  return { text: message(id, { linked: true }), unique: { key, onConflict, ttlMs } };
}
