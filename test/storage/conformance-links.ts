/** What the end of a task has to do with others: what it brings about, and that a supervisor alone ends a linked one. */
import assert from 'node:assert/strict';
import { encodeRecord } from '../../src/runtime/completion.js';
import { HueyException } from '../../src/runtime/errors.js';
import { DEATHS_MAX } from '../../src/runtime/limits.js';
import { idOf } from '../../src/runtime/message.js';
import type { Effects } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, idsOf, items, LEASE_MS, message, tellings, type World } from './world.js';

const ONCE = { once: true, untilMs: 0 };
const canceled = (id: string): { id: string; record: string; ttlSeconds: number } => ({
  id,
  record: encodeRecord('canceled', '"why"'),
  ttlSeconds: 100,
});

export function describeLinks({ check, checkLong }: Checks): void {
  check('stores what follows an end, by its priority, once', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'known']));
    const consumer = await world.consumer();
    await consumer.take(2);
    const enqueue = [{ text: message('next') }, { text: message('high', { priority: 5 }) }, { text: message('known') }];
    await consumer.settle('a', { enqueue: [...enqueue, { text: message('later'), delayMs: 60_000 }] });
    assert.deepEqual(await world.readyIds(), ['high', 'known', 'next']);
    assert.equal((await world.storage.counts()).scheduled, 1);
    await consumer.settle('b', { enqueue });
    assert.deepEqual(await world.readyIds(), ['high', 'known', 'next']);
    assert.deepEqual((await world.storage.enqueue(items(['next']))).duplicates, [0]);
  });

  check('stores what a failed attempt brings about, though the task is tried again', async (world) => {
    const consumer = await world.consumer();
    for (const delayMs of [0, 60_000]) {
      const id = `a${delayMs}`;
      await world.enqueue(message(id));
      await consumer.take();
      const effects = { enqueue: [{ text: message(`handler-${id}`, { priority: 1 }) }] };
      await consumer.move({ kind: 'requeue', id, text: message(id), delayMs, at: 'tail', effects });
      assert.deepEqual(await world.readyIds(), delayMs === 0 ? [`handler-${id}`, id] : [`handler-${id}`]);
      await consumer.finish(...(await consumer.takeIds()));
    }
  });

  check('makes a relative expiry of what follows absolute at the end before it', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    const { now } = await consumer.settle('a', { enqueue: [{ text: message('next', { expiresAt: 60_000, expiryIsRelative: true }) }] });
    const reply = await consumer.take();
    assert.equal(reply.chunks[0]?.text, message('next', { expiresAt: now + 60_000 }));
  });

  check('ends others along with it, tells who waits for them, and leaves those that have ended', async (world) => {
    await world.storage.enqueue(items(['a', 'ended']));
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.finish('ended');
    const waiting = await world.fixture.another();
    const told = tellings(waiting);
    await waiting.watch(['stage', 'ended']);
    await consumer.settle('a', { also: [canceled('stage'), canceled('ended')] }, 'failed');
    await world.until(async () => told.has('stage'));
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
    assert.deepEqual(await world.record('ended'), ['done', '1']);
  });

  check('applies what belongs to the end of a buried one, too', async (world) => {
    await world.enqueue(message('a', { linked: true }));
    const consumer = await world.consumer();
    await consumer.take();
    const effects: Effects = { enqueue: items(['handler']), also: [canceled('stage')] };
    const record = encodeRecord('dead', '{}');
    await consumer.move({ kind: 'bury', id: 'a', text: message('a', { linked: true }), reason: 'r', record, ttlSeconds: 9, effects });
    assert.deepEqual(await world.readyIds(), ['handler']);
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
    assert.equal((await world.storage.list('dead', 9))[0]?.id, 'a');
  });

  check('applies nothing of an end that is refused', async (world) => {
    await world.enqueue(message('a'));
    await world.storage.enqueue([], [{ id: 'ch', size: 1, callback: message('callback') }]);
    const holder = await world.consumer('holder');
    await holder.take();
    const other = await world.consumer('other');
    const effects: Effects = { enqueue: items(['next']), also: [canceled('stage')], chord: { id: 'ch', index: 0, value: '1' } };
    assert.equal((await other.settle('a', effects)).refused, 1);
    assert.deepEqual(await world.readyIds(), []);
    assert.equal(await world.record('stage'), undefined);
    assert.deepEqual(await world.storage.readChord('ch'), [undefined]);
    assert.equal((await holder.settle('a', effects)).committed, 1);
    assert.equal((await holder.settle('a', { enqueue: items(['more']) })).refused, 1);
    assert.deepEqual(await world.readyIds(), ['next', 'callback']);
  });

  check('applies them once, however often the call is repeated', async (world) => {
    await world.enqueue(message('a'));
    await world.storage.enqueue([], [{ id: 'ch', size: 2, callback: message('callback') }]);
    const consumer = await world.consumer();
    await consumer.take();
    const effects: Effects = { enqueue: items(['next']), chord: { id: 'ch', index: 0, value: '1' } };
    const call = consumer.call({ transitions: [{ kind: 'settle', id: 'a', record: encodeRecord('done', ''), ttlSeconds: 9, effects }] });
    for (let n = 0; n < 3; n++) assert.equal((await world.storage.step(call)).committed, 1);
    assert.deepEqual(await world.readyIds(), ['next']);
    assert.deepEqual(await world.storage.readChord('ch'), ['1', undefined]);
  });

  const bad: Record<string, Effects> = {
    'a next stage that is no message': { enqueue: [{ text: 'hello' }] },
    'a time to live that is no number': { also: [{ ...canceled('x'), ttlSeconds: NaN }] },
    'a contribution without a place': { chord: { id: 'ch', index: -1, value: '1' } },
  };
  for (const [what, effects] of Object.entries(bad)) {
    check(`refuses an end with ${what}, and commits nothing of that call`, async (world) => {
      await world.storage.enqueue(items(['a', 'b']));
      const consumer = await world.consumer();
      await consumer.take();
      const settle = { kind: 'settle', record: encodeRecord('done', ''), ttlSeconds: 9 } as const;
      await assert.rejects(consumer.move({ ...settle, id: 'a' }, { ...settle, id: 'b', effects }), HueyException);
      assert.deepEqual(await world.storage.readResults(['a', 'b']), [undefined, undefined]);
    });
  }

  check('hands what is linked and must not start to the consumer, in flight, to settle it', async (world) => {
    const texts = {
      revoked: message('revoked', { linked: true }),
      expired: message('expired', { linked: true, expiresAt: 1 }),
      plain: message('plain', { expiresAt: 1 }),
    };
    await world.storage.revoke({ id: 'revoked' }, ONCE);
    await world.enqueue(...Object.values(texts), message('good'));
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual(idsOf(reply), ['good']);
    assert.deepEqual(
      reply.dropped.toSorted((a, b) => a.id.localeCompare(b.id)),
      [
        { id: 'expired', name: 'job', state: 'expired', text: texts.expired },
        { id: 'plain', name: 'job', state: 'expired' },
        { id: 'revoked', name: 'job', state: 'revoked', text: texts.revoked },
      ],
    );
    assert.equal(await world.held(), 3);
    assert.deepEqual(await world.storage.readResults(['expired', 'revoked']), [undefined, undefined]);
    await consumer.settle('revoked', { enqueue: items(['after']) }, 'revoked', '');
    assert.deepEqual(await world.record('revoked'), ['revoked', '']);
    assert.equal(await world.storage.readMark({ id: 'revoked' }), undefined);
    assert.deepEqual(await consumer.takeIds(), ['after']);
  });

  check('hands over what is not linked too, where the call asks for it', async (world) => {
    await world.storage.revoke({ id: 'revoked' }, ONCE);
    await world.enqueue(message('revoked'), message('expired', { expiresAt: 1 }), message('good'));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 1, chunkSize: 9, handOver: true });
    assert.deepEqual(idsOf(reply), ['good']);
    assert.deepEqual(reply.dropped.map(({ id, state, text }) => [id, state, idOf(text ?? '')]).toSorted(), [
      ['expired', 'expired', 'expired'],
      ['revoked', 'revoked', 'revoked'],
    ]);
    assert.deepEqual([await world.held(), await world.storage.readResults(['expired', 'revoked'])], [3, [undefined, undefined]]);
    // Whoever takes it next, because this consumer is gone, finds it revoked too.
    await world.storage.unregister(consumer.id);
    const next = await (await world.consumer('c2')).take();
    assert.deepEqual(next.dropped.map(({ id, state }) => `${id} ${state}`).toSorted(), ['expired expired', 'revoked revoked']);
  });

  check('ends those who wait behind an id that was enqueued before, and counts for its chord', async (world) => {
    await world.enqueue(message('known'));
    const chords = [{ id: 'ch', size: 2, callback: message('callback') }];
    const ifKnown = { call: 'call-1', also: [canceled('stage')], chord: { id: 'ch', index: 1, value: 'null' } };
    const call = [{ text: message('new') }, { text: message('known'), ifKnown }];
    assert.deepEqual((await world.storage.enqueue(call, chords)).duplicates, [1]);
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
    assert.deepEqual(await world.storage.readChord('ch'), [undefined, 'null']);
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['known', 'new']);
    await consumer.settle('new', { chord: { id: 'ch', index: 0, value: '1' } });
    assert.deepEqual(await world.readyIds(), ['callback']);
  });

  check('does nothing of that where the id was new, or the same call is made again', async (world) => {
    const chords = [{ id: 'ch', size: 1, callback: message('callback') }];
    const ifKnown = { call: 'call-1', also: [canceled('stage')], chord: { id: 'ch', index: 0, value: 'null' } };
    for (const duplicates of [[], [0]]) {
      assert.deepEqual((await world.storage.enqueue([{ text: message('a'), ifKnown }], chords)).duplicates, duplicates);
    }
    assert.equal(await world.record('stage'), undefined);
    assert.deepEqual(await world.storage.readChord('ch'), [undefined]);
    assert.deepEqual(await world.readyIds(), ['a']);
  });

  check('does so for a next stage that was enqueued before, too', async (world) => {
    await world.storage.enqueue(items(['known', 'a']), [{ id: 'ch', size: 1, callback: message('callback') }]);
    const consumer = await world.consumer();
    await consumer.take();
    const ifKnown = { also: [canceled('stage')], chord: { id: 'ch', index: 0, value: 'null' } };
    await consumer.settle('a', { enqueue: [{ text: message('known'), ifKnown }] });
    assert.deepEqual(await world.record('stage'), ['canceled', '"why"']);
    assert.deepEqual(await world.readyIds(), ['callback']);
  });

  check('does the same with a linked one that runs alone', async (world) => {
    await world.storage.revoke({ id: 's' }, ONCE);
    await world.enqueue(message('s', { lapses: 2, linked: true }), message('s2', { lapses: 2 }));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 1, chunkSize: 4, solo: true });
    assert.deepEqual(
      reply.dropped.map(({ id, state, text }) => [id, state, text !== undefined]),
      [['s', 'revoked', true]],
    );
    const next = reply.solo ?? (await consumer.takeSolo());
    assert.equal(idOf(next ?? ''), 's2');
  });

  check('hands what died too often to the consumer to put it aside, linked or not', async (world) => {
    const deaths = DEATHS_MAX + 1;
    const texts = [message('a', { lapses: 6, deaths }), message('b', { deaths, linked: true })];
    await world.enqueue(...texts, message('edge', { deaths: DEATHS_MAX }));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 2, chunkSize: 9, solo: true });
    assert.deepEqual(idsOf(reply), ['edge']);
    assert.equal(reply.solo, undefined);
    assert.deepEqual(reply.dropped, [
      { id: 'a', name: 'job', state: 'dead', text: texts[0] },
      { id: 'b', name: 'job', state: 'dead', text: texts[1] },
    ]);
    assert.deepEqual([await world.held(), (await world.storage.counts()).dead], [3, 0]);
    assert.deepEqual(await world.storage.readResults(['a', 'b']), [undefined, undefined]);
  });

  check('tells of what was dropped again, with the texts, where the reply was lost', async (world) => {
    const call = await callThatDrops(world);
    const before = await world.storage.step(call);
    for (const storage of [world.storage, await world.fixture.another()]) {
      const again = await storage.step(call);
      assert.deepEqual([again.dropped, again.chunks, again.solo], [before.dropped, before.chunks, before.solo]);
    }
    assert.equal(before.dropped.filter(({ text }) => text !== undefined).length, 3);
    assert.equal((await world.storage.heldIds('c1')).length, 5);
  });

  check('comes to the same where the consumer died before it had settled what it was handed', async (world) => {
    await world.storage.revoke({ task: 'job' }, ONCE);
    await world.storage.revoke({ id: 'b' }, ONCE);
    await world.enqueue(message('a', { linked: true }), message('b', { linked: true }));
    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    assert.deepEqual(idsOf(await silent.take()), []);
    await world.storage.register('alive', LEASE_MS);
    await world.until(async () => {
      await world.storage.beat('alive', LEASE_MS);
      return (await world.storage.reap(LEASE_MS)).consumers.includes('silent');
    });
    const next = await world.consumer('next');
    await world.storage.unregister('alive');
    const { chunks, dropped } = await next.take();
    assert.deepEqual(chunks, []);
    assert.deepEqual(
      dropped.map(({ id, state }) => [id, state]),
      [
        ['a', 'revoked'],
        ['b', 'revoked'],
      ],
    );
  });

  describeChords({ check, checkLong });
}

function describeChords({ check, checkLong }: Checks): void {
  const plan = (size: number): { id: string; size: number; callback: string } => ({
    id: 'ch',
    size,
    callback: message('callback', { linked: true }, ['own']),
  });

  check('makes the callback of a chord ready when its last member has contributed', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c']), [plan(3)]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('c', { chord: { id: 'ch', index: 2, value: '"ü c"' } });
    await consumer.settle('a', { chord: { id: 'ch', index: 0, value: '[1,null]' } }, 'failed');
    assert.deepEqual(await world.readyIds(), []);
    assert.deepEqual(await world.storage.readChord('ch'), ['[1,null]', undefined, '"ü c"']);
    await consumer.settle('b', { chord: { id: 'ch', index: 1, value: '2' } });
    assert.deepEqual(await world.storage.readChord('ch'), ['[1,null]', '2', '"ü c"']);
    assert.deepEqual(await consumer.takeTexts(), [plan(3).callback]);
    assert.deepEqual((await world.storage.enqueue(items(['callback']))).duplicates, [0]);
  });

  check('counts each place once, and fires once, also when members contribute again', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'again', 'last', 'late']), [plan(2)]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('a', { chord: { id: 'ch', index: 0, value: '1' } });
    await consumer.settle('again', { chord: { id: 'ch', index: 0, value: '1' } });
    assert.deepEqual(await world.readyIds(), []);
    await consumer.settle('b', { chord: { id: 'ch', index: 1, value: '2' } });
    await consumer.settle('last', { chord: { id: 'ch', index: 1, value: '3' } });
    assert.deepEqual(await world.readyIds(), ['callback']);
    assert.deepEqual(await consumer.takeIds(), ['callback']);
    await consumer.settle('callback', { endChord: 'ch' });
    await consumer.settle('late', { chord: { id: 'ch', index: 0, value: '4' } });
    assert.deepEqual(await world.readyIds(), []);
    assert.deepEqual(await world.storage.readChord('ch'), []);
  });

  check('counts members that end in one call, and in several processes', async (world) => {
    const ids = Array.from({ length: 30 }, (_, n) => `m${n}`);
    await world.storage.enqueue(items(ids), [plan(30)]);
    const storages = [world.storage, await world.fixture.another()];
    const consumers = await Promise.all(storages.map((storage, n) => world.consumer(`c${n}`, storage)));
    let taken = 0;
    for (let n = 0; taken < 30; n++) {
      const consumer = consumers[n % 2];
      const got = (await consumer?.takeIds(4)) ?? [];
      taken += got.length;
      const settle = { kind: 'settle', record: encodeRecord('done', ''), ttlSeconds: 9 } as const;
      await consumer?.move(
        ...got.map((id) => ({ ...settle, id, effects: { chord: { id: 'ch', index: Number(id.slice(1)), value: `"${id}"` } } })),
      );
    }
    assert.deepEqual(await world.readyIds(), ['callback']);
    assert.deepEqual(
      await world.storage.readChord('ch'),
      ids.map((id) => `"${id}"`),
    );
  });

  check('stores a chord although its members are known, and leaves one that is there as it is', async (world) => {
    await world.storage.enqueue(items(['a']));
    assert.deepEqual(await world.storage.enqueue(items(['a']), [plan(1)]), { duplicates: [0], conflicts: [] });
    const other = { id: 'ch', size: 9, callback: message('other') };
    await world.storage.enqueue(items(['a']), [other]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('a', { chord: { id: 'ch', index: 0, value: '1' } });
    assert.deepEqual(await world.readyIds(), ['callback']);
    await world.storage.enqueue([], [other]);
    assert.deepEqual(await world.storage.readChord('ch'), ['1']);
  });

  check('makes a relative expiry of the callback absolute when it fires', async (world) => {
    const callback = message('callback', { expiresAt: 60_000, expiryIsRelative: true, priority: 3 });
    await world.storage.enqueue(items(['a', 'b']), [{ id: 'ch', size: 1, callback }]);
    const consumer = await world.consumer();
    await consumer.take(1);
    const { now } = await consumer.settle('a', { chord: { id: 'ch', index: 0, value: '1' } });
    assert.deepEqual(await consumer.takeTexts(), [message('callback', { expiresAt: now + 60_000, priority: 3 }), message('b')]);
  });

  check('ignores what is contributed to a chord that nobody stored', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    assert.equal((await consumer.settle('a', { chord: { id: 'unheard', index: 0, value: '1' } })).committed, 1);
    assert.deepEqual(await world.storage.readChord('unheard'), []);
  });

  check('stores nothing of a call whose callback is no message', async (world) => {
    const chords = [plan(1), { id: 'other', size: 1, callback: 'hello' }];
    await assert.rejects(world.storage.enqueue(items(['a']), chords), HueyException);
    assert.deepEqual(await world.readyIds(), []);
    assert.deepEqual(await world.storage.readChord('ch'), []);
  });

  checkLong('forgets a chord that nobody finishes after 30 days, and a tombstone after one', async (world) => {
    const day = 24 * 60 * 60 * 1000;
    await world.storage.enqueue(items(['a']), [plan(2)]);
    await world.pass(30 * day - 1);
    assert.equal((await world.storage.readChord('ch')).length, 2);
    await world.pass(1);
    assert.equal((await world.storage.readChord('ch')).length, 0);
    await world.storage.enqueue([], [plan(1)]);
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.settle('a', { endChord: 'ch' });
    await world.pass(day - 1);
    await world.storage.enqueue([], [plan(1)]);
    assert.equal((await world.storage.readChord('ch')).length, 0);
    await world.pass(1);
    await world.storage.enqueue([], [plan(1)]);
    assert.equal((await world.storage.readChord('ch')).length, 1);
  });
}

/** A call whose reply has a chunk, one that runs alone, and drops of every kind. */
async function callThatDrops(world: World): Promise<ReturnType<Awaited<ReturnType<World['consumer']>>['call']>> {
  await world.storage.revoke({ id: 'revoked' }, ONCE);
  await world.enqueue(
    message('alone', { lapses: 2 }),
    message('revoked', { linked: true }),
    message('expired', { linked: true, expiresAt: 1 }),
    message('dead', { deaths: DEATHS_MAX + 1 }),
    message('plain', { expiresAt: 1 }),
    message('good'),
  );
  const consumer = await world.consumer();
  return consumer.call({ completions: [done('stranger')], chunks: 2, chunkSize: 9, solo: true });
}
