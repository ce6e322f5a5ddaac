/** Records of ended tasks: reading, removing, their time to live, and telling those who wait. */
import assert from 'node:assert/strict';
import { encodeRecord, GONE_PAYLOAD } from '../../src/runtime/completion.js';
import { END_MARKER_TTL_MS } from '../../src/runtime/limits.js';
import type { Checks } from './conformance.js';
import { done, items, message, numbered, tellings, type Consumer, type World } from './world.js';

export function describeResults({ check, checkLong }: Checks): void {
  check('gives records in the order of the question, undefined for what has none', async (world) => {
    await holding(world, 'a', 'b').then((consumer) => consumer.step({ completions: [done('a', '"é"'), done('b', '')] }));
    assert.deepEqual(await world.storage.readResults(['b', 'unheard', 'a', 'b']), [
      { state: 'done', payload: '' },
      undefined,
      { state: 'done', payload: '"é"' },
      { state: 'done', payload: '' },
    ]);
    assert.deepEqual(await world.storage.readResults([]), []);
  });

  check('keeps a record for its own time to live', async (world) => {
    const consumer = await holding(world, 'short', 'long');
    await consumer.step({ completions: [done('short', '1', 1), done('long', '2', 1000)] });
    assert.deepEqual(await world.record('short'), ['done', '1']);
    await world.until(async () => (await world.record('short')) === undefined);
    assert.deepEqual(await world.record('long'), ['done', '2']);
  });

  check('keeps records of one bucket for a time of their own each', async (world) => {
    const [short = '', long = ''] = ['mb1x2k9c7f3k0q2z000', 'mb1x2k9c7f3k0q2z001'];
    const consumer = await holding(world, short, long);
    await consumer.step({ completions: [done(long, '2', 1000)] });
    await consumer.step({ completions: [done(short, '1', 1)] });
    await world.until(async () => (await world.record(short)) === undefined);
    assert.deepEqual(await world.record(long), ['done', '2']);
  });

  check('removes a value and keeps the mark that there was one', async (world) => {
    const consumer = await holding(world, 'a', 'b', 'c');
    await consumer.step({ completions: [done('a', '"x"'), done('b', '')] });
    await consumer.move({ kind: 'settle', id: 'c', record: encodeRecord('failed', '{"error":"no"}'), ttlSeconds: 9 });
    for (let n = 0; n < 2; n++) await world.storage.removeResults(['a', 'b', 'c', 'unheard']);
    assert.deepEqual(await world.record('a'), ['done', GONE_PAYLOAD]);
    assert.deepEqual(await world.record('b'), ['done', '']);
    assert.deepEqual(await world.record('c'), ['failed', GONE_PAYLOAD]);
    assert.equal(await world.record('unheard'), undefined);
    await world.storage.removeResults([]);
  });

  checkLong('keeps the end marker of a dropped task for ten minutes', async (world) => {
    await world.enqueue(message('a', { expiresAt: 1 }));
    await (await world.consumer()).take();
    await world.pass(END_MARKER_TTL_MS - 1);
    assert.deepEqual(await world.record('a'), ['expired', '']);
    await world.pass(1);
    assert.equal(await world.record('a'), undefined);
  });

  check('keeps a result of 1 MiB and every kind of character', async (world) => {
    const values = { a: JSON.stringify('ü'.repeat(512 * 1024)), b: JSON.stringify('€𝄞\u2028\u0000"\\\n🙂') };
    const consumer = await holding(world, 'a', 'b');
    await consumer.step({ completions: Object.entries(values).map(([id, payload]) => done(id, payload)) });
    assert.deepEqual(
      await world.storage.readResults(['a', 'b']),
      Object.values(values).map((payload) => ({ state: 'done', payload })),
    );
  });

  check('reads and removes thousands in one call', async (world) => {
    const ids = numbered(3000);
    await world.storage.enqueue(items(ids));
    const consumer = await world.consumer();
    await consumer.take(3000);
    assert.equal((await consumer.finish(...ids)).committed, 3000);
    assert.equal((await world.storage.readResults(ids)).filter((record) => record?.payload === '1').length, 3000);
    await world.storage.removeResults(ids);
    assert.equal((await world.storage.readResults(ids)).filter((record) => record?.payload === GONE_PAYLOAD).length, 3000);
  });

  check('tells who watches that a task has ended, with its record, however it ended', async (world) => {
    const consumer = await holding(world, 'done', 'buried', 'unwatched');
    const waiting = await world.fixture.another();
    const told = tellings(waiting);
    await waiting.watch(['done', 'buried', 'expired', 'revoked']);
    await world.storage.revoke({ id: 'revoked' }, { once: true, untilMs: 0 });
    await world.enqueue(message('expired', { expiresAt: 1 }), message('revoked'));
    await consumer.step({
      completions: [done('done', '"v"'), done('unwatched')],
      transitions: [
        { kind: 'bury', id: 'buried', text: message('buried'), reason: 'r', record: encodeRecord('dead', '{}'), ttlSeconds: 9 },
      ],
      chunks: 1,
      chunkSize: 9,
    });
    await world.until(async () => told.size >= 4);
    assert.deepEqual(
      new Map([...told].sort()),
      new Map([
        ['buried', { state: 'dead', payload: '{}' }],
        ['done', { state: 'done', payload: '"v"' }],
        ['expired', { state: 'expired', payload: '' }],
        ['revoked', { state: 'revoked', payload: '' }],
      ]),
    );
  });

  check('tells the storage that commits, too', async (world) => {
    const consumer = await holding(world, 'a');
    const told = tellings(world.storage);
    await world.storage.watch(['a']);
    await consumer.finish('a');
    await world.until(async () => told.has('a'));
  });

  check('tells of an end although its record is too large to come along', async (world) => {
    const consumer = await holding(world, 'a');
    const told = tellings(world.storage);
    await world.storage.watch(['a']);
    const payload = JSON.stringify('x'.repeat(900_000));
    await consumer.step({ completions: [done('a', payload)] });
    await world.until(async () => told.has('a'));
    assert.deepEqual(await world.record('a'), ['done', payload]);
  });

  check('tells nothing of what is watched no more', async (world) => {
    const consumer = await holding(world, 'a', 'b', 'mb1x2k9c7f3k0q2z000', 'mb1x2k9c7f3k0q2z001');
    const told = tellings(world.storage);
    await world.storage.watch(['a', 'b', 'mb1x2k9c7f3k0q2z000', 'mb1x2k9c7f3k0q2z001']);
    world.storage.unwatch(['a', 'mb1x2k9c7f3k0q2z000', 'unheard']);
    await consumer.finish('a', 'mb1x2k9c7f3k0q2z000');
    await consumer.finish('b', 'mb1x2k9c7f3k0q2z001');
    await world.until(async () => told.size >= 2);
    assert.deepEqual([...told.keys()].sort(), ['b', 'mb1x2k9c7f3k0q2z001']);
  });

  check('tells of a thousand ends', async (world) => {
    const ids = numbered(1000);
    const waiting = await world.fixture.another();
    const told = tellings(waiting);
    await waiting.watch(ids);
    await world.storage.enqueue(items(ids));
    const consumer = await world.consumer();
    await consumer.take(1000);
    await consumer.finish(...ids);
    await world.until(async () => told.size === 1000);
  });
}

async function holding(world: World, ...ids: string[]): Promise<Consumer> {
  await world.storage.enqueue(items(ids));
  const consumer = await world.consumer();
  assert.deepEqual(await consumer.takeIds(), ids);
  return consumer;
}
