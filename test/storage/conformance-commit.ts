/** Committing what ended: by its holder alone, once, all together; lost replies. */
import assert from 'node:assert/strict';
import { encodeCompletion, encodeRecord } from '../../src/runtime/completion.js';
import { HueyException } from '../../src/runtime/errors.js';
import { decodeHead, withHead } from '../../src/runtime/message.js';
import type { StepCall, StepReply, Transition } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, idsOf, items, message, numbered, type World } from './world.js';

export function describeCommit({ check }: Checks): void {
  check('settles what its holder has completed', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c']));
    const consumer = await world.consumer();
    await consumer.take();
    const reply = await consumer.step({
      completions: [done('a', '"x"'), encodeCompletion({ id: 'c', ttlSeconds: 100, record: encodeRecord('failed', '{"error":"no"}') })],
    });
    assert.deepEqual([reply.committed, reply.refused, await world.held()], [2, 0, 1]);
    assert.deepEqual(await world.record('a'), ['done', '"x"']);
    assert.equal(await world.record('b'), undefined);
    assert.deepEqual(await world.record('c'), ['failed', '{"error":"no"}']);
    assert.deepEqual(await world.storage.heldIds('c1'), ['b']);
  });

  check('reads several completions from one run of bytes', async (world) => {
    const ids = numbered(300);
    await world.storage.enqueue(items(ids));
    const consumer = await world.consumer();
    await consumer.take(300);
    const halves = [ids.slice(0, 150), ids.slice(150)].map((half) => Buffer.concat(half.map((id) => done(id, JSON.stringify(`ü ${id}`)))));
    assert.equal((await consumer.step({ completions: halves })).committed, 300);
    const records = await world.storage.readResults(ids);
    assert.deepEqual(
      records,
      ids.map((id) => ({ state: 'done', payload: `"ü ${id}"` })),
    );
  });

  check('refuses and counts what another consumer holds, what has ended and what nobody knows', async (world) => {
    await world.enqueue(message('a'));
    const holder = await world.consumer('holder');
    const other = await world.consumer('other');
    assert.deepEqual(await holder.takeIds(), ['a']);
    const moves: Transition[] = [
      { kind: 'settle', id: 'a', record: encodeRecord('failed', '{}'), ttlSeconds: 9, effects: { enqueue: [{ text: message('next') }] } },
      { kind: 'requeue', id: 'a', text: message('a'), delayMs: 0, at: 'tail' },
      { kind: 'bury', id: 'a', text: message('a'), reason: 'no', record: encodeRecord('dead', '{}'), ttlSeconds: 9 },
    ];
    const reply = await other.step({ completions: [done('a'), done('unheard')], transitions: moves });
    assert.deepEqual([reply.committed, reply.refused], [0, 5]);
    assert.deepEqual(await world.storage.counts(), { ready: 0, scheduled: 0, running: 1, dead: 0, consumers: 2 });
    assert.equal(await world.record('a'), undefined);
    assert.equal((await holder.finish('a')).committed, 1);
    const again = await holder.finish('a');
    assert.deepEqual([again.committed, again.refused], [0, 1]);
  });

  check('counts the second of two ends of one task in one call as refused', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    const transitions: Transition[] = [{ kind: 'requeue', id: 'a', text: message('a'), delayMs: 0, at: 'tail' }];
    const reply = await consumer.step({ completions: [done('a', '1'), done('a', '2')], transitions });
    assert.deepEqual([reply.committed, reply.refused], [1, 2]);
    assert.deepEqual(await world.record('a'), ['done', '1']);
    assert.equal((await world.storage.counts()).ready, 0);
  });

  check('stores what follows together with the end of a task, once', async (world) => {
    await world.storage.enqueue(items(['a', 'known']));
    const consumer = await world.consumer();
    await consumer.take(1);
    const enqueue = [{ text: message('next') }, { text: message('known') }, { text: message('later'), delayMs: 60_000 }];
    await consumer.move({ kind: 'settle', id: 'a', record: encodeRecord('done', ''), ttlSeconds: 9, effects: { enqueue } });
    assert.deepEqual(await world.record('a'), ['done', '']);
    const { ready, scheduled } = await world.storage.counts();
    assert.deepEqual({ ready, scheduled }, { ready: 2, scheduled: 1 });
    assert.deepEqual(await consumer.takeIds(), ['known', 'next']);
  });

  check('gives a task back: to the tail, to the head, or after a delay, with its new head', async (world) => {
    const texts = ['a', 'b', 'c', 'd', 'e'].map((id) => message(id));
    await world.enqueue(...texts);
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(3), ['a', 'b', 'c']);
    const retried = (id: string): string => withHead(message(id), { ...decodeHead(message(id)), attempts: 1, retries: 2 });
    const reply = await consumer.move(
      { kind: 'requeue', id: 'a', text: retried('a'), delayMs: 0, at: 'tail' },
      { kind: 'requeue', id: 'b', text: retried('b'), delayMs: 0, at: 'head' },
      { kind: 'requeue', id: 'c', text: retried('c'), delayMs: 60_000, at: 'tail' },
    );
    assert.equal(reply.committed, 3);
    const { ready, scheduled, running } = await world.storage.counts();
    assert.deepEqual({ ready, scheduled, running }, { ready: 4, scheduled: 1, running: 0 });
    assert.deepEqual(await consumer.takeTexts(), [retried('b'), message('d'), message('e'), retried('a')]);
  });

  check('takes a retry of a task although its id was enqueued before', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(await consumer.takeIds(), ['a']);
      await consumer.move({ kind: 'requeue', id: 'a', text: message('a'), delayMs: 0, at: 'tail' });
    }
  });

  check('puts a task aside as dead, and settles it', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    await consumer.take();
    const bury = (id: string): Transition => ({
      kind: 'bury',
      id,
      text: message(id),
      reason: `why ${id}`,
      record: encodeRecord('dead', '{"r":1}'),
      ttlSeconds: 9,
    });
    await consumer.move(bury('a'));
    await world.pass(5);
    assert.equal((await consumer.move(bury('b'))).committed, 1);
    assert.deepEqual(await world.record('a'), ['dead', '{"r":1}']);
    const dead = await world.storage.list('dead', 10);
    assert.deepEqual(
      dead.map(({ id, text, reason }) => [id, text, reason]),
      [
        ['b', message('b'), 'why b'],
        ['a', message('a'), 'why a'],
      ],
    );
    assert.ok(dead.every(({ at }) => (at ?? 0) > 1e12));
    assert.equal((await world.storage.list('dead', 1)).length, 1);
    assert.equal((await world.storage.counts()).dead, 2);
  });

  check('commits and takes in one call', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    await consumer.take(1);
    const reply = await consumer.step({ completions: [done('a')], chunks: 1, chunkSize: 1 });
    assert.deepEqual([reply.committed, await world.held(), idsOf(reply)], [1, 1, ['b']]);
  });

  check('answers a repeated call as before, without a second effect', async (world) => {
    const first = await callWithEverything(world);
    const before = await world.storage.step(first);
    const countsBefore = await world.storage.counts();
    const again = await world.storage.step(structuredClone(first));
    assertSameReply(again, before);
    assert.deepEqual(await world.storage.counts(), countsBefore);
    const { ready, running, ...others } = countsBefore;
    assert.deepEqual(others, { scheduled: 1, dead: 1, consumers: 1 });
    assert.equal(ready + running, 7);
    assert.equal((await world.storage.heldIds('c1')).length, running);
  });

  check('answers a repeated call through another storage, and after another lane went on', async (world) => {
    const first = await callWithEverything(world);
    const before = await world.storage.step(first);
    const other = await world.storage.step({
      ...first,
      lane: 1,
      seq: 1,
      completions: [],
      transitions: [],
      chunks: 1,
      chunkSize: 1,
      solo: false,
    });
    assert.equal(idsOf(other).length, 1);
    assertSameReply(await (await world.fixture.another()).step(first), before);
  });

  check('refuses a call with a number that has passed, and does nothing of it', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    const late = consumer.call({ completions: [done('a')], chunks: 1, chunkSize: 1 });
    await consumer.take(1);
    await assert.rejects(world.storage.step(late), HueyException);
    assert.deepEqual(await world.storage.heldIds('c1'), ['a']);
    assert.equal((await world.storage.counts()).ready, 1);
    // Another lane has numbers of its own.
    assert.equal((await world.storage.step({ ...late, lane: 7 })).committed, 1);
  });

  const valid: Transition = { kind: 'settle', id: 'a', record: encodeRecord('done', ''), ttlSeconds: 9 };
  const bad: Record<string, Partial<StepCall>> = {
    'completions that are cut off': { completions: [done('a'), done('b').slice(0, -1)] },
    'completions that are cut off in the id': { completions: [done('a'), Uint8Array.of(9, 65)] },
    'what follows that is no message': { transitions: [valid, { ...valid, id: 'b', effects: { enqueue: [{ text: 'hello' }] } }] },
    'a requeue that is no message': { transitions: [valid, { kind: 'requeue', id: 'b', text: '["2x', delayMs: 0, at: 'tail' }] },
    'a requeue under another id': { transitions: [valid, { kind: 'requeue', id: 'b', text: message('c'), delayMs: 0, at: 'tail' }] },
    'a delay that is no number': { transitions: [valid, { kind: 'requeue', id: 'b', text: message('b'), delayMs: NaN, at: 'tail' }] },
    'a negative number of chunks': { transitions: [valid], chunks: -1, chunkSize: 4 },
    'a call that is not numbered': { transitions: [valid], seq: 0 },
  };
  for (const [what, parts] of Object.entries(bad)) {
    check(`refuses a call with ${what}, and commits nothing of it`, async (world) => {
      await world.storage.enqueue(items(['a', 'b']));
      const consumer = await world.consumer();
      await consumer.take();
      await assert.rejects(consumer.step(parts), HueyException);
      assert.deepEqual(await world.storage.heldIds('c1'), ['a', 'b']);
      assert.deepEqual(await world.storage.readResults(['a', 'b']), [undefined, undefined]);
    });
  }
}

/** One call that does everything a call can do, for a consumer that holds what it needs. */
async function callWithEverything(world: World): Promise<StepCall> {
  await world.storage.enqueue(items(['done', 'settled', 'retried', 'delayed', 'buried']));
  const consumer = await world.consumer();
  await consumer.take();
  await world.enqueue(
    message('expired', { expiresAt: 1, priority: 1 }),
    message('alone', { lapses: 2 }),
    ...['r1', 'r2', 'r3', 'r4'].map((id) => message(id)),
  );
  return consumer.call({
    completions: [done('done'), done('stranger')],
    transitions: [
      { kind: 'settle', id: 'settled', record: encodeRecord('done', ''), ttlSeconds: 9, effects: { enqueue: [{ text: message('next') }] } },
      { kind: 'requeue', id: 'retried', text: message('retried'), delayMs: 0, at: 'tail' },
      { kind: 'requeue', id: 'delayed', text: message('delayed'), delayMs: 60_000, at: 'tail' },
      { kind: 'bury', id: 'buried', text: message('buried'), reason: 'why', record: encodeRecord('dead', '{}'), ttlSeconds: 9 },
    ],
    chunks: 2,
    chunkSize: 2,
    solo: true,
  });
}

/** The clock, what is left and what is held are told as they are now. */
function assertSameReply(actual: StepReply, expected: StepReply): void {
  const fixed = ({ chunks, solo, committed, refused, dropped }: StepReply): unknown => ({ chunks, solo, committed, refused, dropped });
  assert.deepEqual(fixed(actual), fixed(expected));
}
