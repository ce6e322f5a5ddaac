/** Chunks that come and go as a whole, and whatever may happen to one task of them in between. */
import assert from 'node:assert/strict';
import { idOf, runOf, decodeHead } from '../../src/runtime/message.js';
import type { StepReply } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, generated, idsOf, items, LEASE_MS, message, textsOf, type Consumer, type World } from './world.js';

const COUNT = 20;
const IDS = Array.from({ length: COUNT }, (_, n) => `t${n + 10}`);

export function describeChunks({ check }: Checks): void {
  check('commits a whole chunk by its receipt, once', async (world) => {
    const { consumer, reply } = await leased(world);
    assert.equal(await world.held(), COUNT);
    assert.deepEqual(await running(world), IDS);
    const ended = await consumer.step(wholeOf(reply));
    assert.deepEqual([ended.committed, ended.refused, await world.held()], [COUNT, 0, 0]);
    for (const id of IDS) assert.deepEqual(await world.record(id), ['done', '1'], id);
    const again = await consumer.step(wholeOf(reply));
    assert.deepEqual([again.committed, again.refused], [0, COUNT]);
  });

  check('commits two chunks of one call, in one call', async (world) => {
    await world.enqueue(...IDS.map((id) => message(id)));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 2, chunkSize: 10 });
    assert.deepEqual(idsOf(reply), IDS);
    const { committed } = await consumer.step(wholeOf(reply));
    assert.deepEqual([committed, await world.held()], [COUNT, 0]);
  });

  check('commits one task of a chunk by itself, and the others later', async (world) => {
    const { consumer, reply } = await leased(world);
    const first = await consumer.finish('t13');
    assert.deepEqual([first.committed, await world.held()], [1, COUNT - 1]);
    const rest = await consumer.step(wholeOf(reply));
    assert.deepEqual([rest.committed, rest.refused, await world.held()], [COUNT - 1, 1, 0]);
    assert.equal((await running(world)).length, 0);
  });

  check('refuses a chunk of somebody else, whatever receipt comes with it', async (world) => {
    const { consumer, reply } = await leased(world);
    const other = await world.consumer('c2');
    const stolen = await other.step(wholeOf(reply));
    assert.deepEqual([stolen.committed, stolen.refused], [0, COUNT]);
    assert.equal((await consumer.step(wholeOf(reply))).committed, COUNT);
  });

  check('commits whole chunks of generated ids, of one bucket, of several in turns, and with others among them', async (world) => {
    const [one, two] = [generated(0, 40), generated(1, 10)];
    const turns = two.flatMap((id, n) => [id, one[30 + n] ?? '']);
    const mixed = [...generated(2, 4), 'own', 'mb1x2k9c7f3k0q02-ab', ...generated(3, 4)];
    const ids = [...one.slice(0, 30), ...turns, ...mixed];
    await world.enqueue(...ids.map((id) => message(id)));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 6, chunkSize: 10 });
    assert.deepEqual(idsOf(reply), ids);
    const { committed, refused } = await consumer.step(wholeOf(reply));
    assert.deepEqual([committed, refused, await world.held()], [ids.length, 0, 0]);
    for (const id of ids) assert.deepEqual(await world.record(id), ['done', '1'], id);
    assert.equal(await world.storage.resultCount(), ids.length);
  });

  check('takes one whose id differs from that of the chunk in its bucket alone for another', async (world) => {
    const ids = generated(0, 5);
    await world.enqueue(...ids.map((id) => message(id)));
    const consumer = await world.consumer();
    const [receipt] = receiptsOf(await consumer.take());
    const strange = [...ids.slice(0, 4), ...generated(1, 5).slice(4)];
    const { committed, refused } = await consumer.step({ completions: [bytesOf(strange)], receipts: [receipt] });
    assert.deepEqual([committed, refused, await world.held()], [4, 1, 1]);
    assert.equal(await world.record(strange[4] ?? ''), undefined);
  });

  check('puts what is no message aside where it stands among many of one bucket', async (world) => {
    const ids = generated(0, 6);
    const texts = ids.map((id) => message(id));
    const broken = generated(0, 9)
      .slice(6)
      .map((id) => message(id));
    const [name, line, quote] = broken.map((text, n) =>
      n === 0 ? text.replace(' job"', ' j\\u0062"') : n === 1 ? text.replace(' job"', ' j\nb"') : text.replace(' job"', ' job'),
    );
    for (const text of [...texts.slice(0, 3), name, ...texts.slice(3, 5), line, quote, texts[5]]) await world.fixture.pushRaw(text ?? '');
    const consumer = await world.consumer();
    const reply = await consumer.take();
    assert.deepEqual(idsOf(reply), ids);
    assert.deepEqual(new Set((await world.storage.list('dead', 10)).map(({ text }) => text)), new Set([name, line, quote]));
    assert.equal((await consumer.step(wholeOf(reply))).committed, ids.length);
  });

  check('commits more in one call than a chunk ever holds', async (world) => {
    const ids = generated(0, 2500);
    await world.storage.enqueue(items(ids));
    const consumer = await world.consumer();
    const reply = await consumer.take(ids.length);
    const { committed, refused } = await consumer.step(wholeOf(reply));
    assert.deepEqual([committed, refused, await world.held()], [ids.length, 0, 0]);
    assert.equal(await world.storage.resultCount(), ids.length);
  });

  check('takes a receipt for no more than what it was given for', async (world) => {
    const { consumer, reply } = await leased(world);
    const [receipt] = receiptsOf(reply);
    const middle = await consumer.step({ completions: [bytesOf(IDS.map((id, n) => (n === 9 ? 'x' : id)))], receipts: [receipt] });
    assert.deepEqual([middle.committed, middle.refused, await world.held()], [COUNT - 1, 1, 1]);
  });

  check('takes a receipt for nothing where fewer or others come with it', async (world) => {
    const { consumer, reply } = await leased(world);
    const [receipt] = receiptsOf(reply);
    const few = await consumer.step({ completions: [done('t10')], receipts: [receipt] });
    assert.deepEqual([few.committed, await world.held()], [1, COUNT - 1]);
    const strange = await consumer.step({ completions: [bytesOf(IDS.map((id) => `x${id}`))], receipts: [receipt] });
    assert.deepEqual([strange.committed, strange.refused, await world.held()], [0, COUNT, COUNT - 1]);
    const odd = await consumer.step({ completions: [done('t11'), done('t12')], receipts: ['no receipt', undefined] });
    assert.deepEqual([odd.committed, await world.held()], [2, COUNT - 3]);
  });

  check('gives the same chunks to a call that is repeated, also when they were looked into since', async (world) => {
    await world.enqueue(...IDS.map((id) => message(id)));
    const consumer = await world.consumer();
    const call = consumer.call({ chunks: 2, chunkSize: 10 });
    const reply = await world.storage.step(call);
    assert.deepEqual((await world.storage.step(call)).chunks, reply.chunks);
    assert.deepEqual((await world.storage.heldIds(consumer.id)).sort(), [...IDS].sort());
    const apart = await world.storage.step(call);
    assert.deepEqual(textsOf(apart), textsOf(reply));
    assert.equal((await consumer.finish(...IDS)).committed, COUNT);
  });

  check('retries, gives back, cancels and locks for one task of a chunk', async (world) => {
    const { consumer, reply } = await leased(world);
    const texts = textsOf(reply);
    const retried = await consumer.move({ kind: 'requeue', id: 't11', text: texts[1] ?? '', delayMs: 0, at: 'tail' });
    assert.deepEqual([retried.committed, await world.held()], [1, COUNT - 1]);
    assert.equal(await world.storage.release(consumer.id, ['t12', 'unknown']), 1);
    assert.equal(await world.storage.cancel('t14'), 'running');
    assert.deepEqual((await world.storage.beat(consumer.id, LEASE_MS * 100)).canceled, ['t14']);
    const owner = { token: 'k', run: { consumer: consumer.id, id: 't15', run: runOf(decodeHead(texts[5] ?? '')) } };
    assert.equal(await world.storage.acquireLock('l', owner), true);
    assert.equal(await world.storage.isLocked('l'), true);
    const rest = IDS.filter((id) => id !== 't11' && id !== 't12');
    assert.equal((await consumer.finish(...rest)).committed, rest.length);
    assert.equal(await world.storage.isLocked('l'), false);
    assert.deepEqual((await world.readyIds()).sort(), ['t11', 't12']);
  });

  check('knows a task of a chunk from its id among the arguments of another', async (world) => {
    const texts = IDS.map((id) => message(id, {}, ['x9 ', '["100000000+0000000000000000000000000x9 job"', ',\n["x9 job"]']));
    await world.enqueue(...texts, message('x9', { priority: -1 }));
    const consumer = await world.consumer();
    await consumer.take(COUNT);
    assert.equal(await world.storage.cancel('x9'), 'waiting');
    assert.equal(await world.storage.release(consumer.id, ['x9']), 0);
    assert.equal((await consumer.finish('x9')).refused, 1);
  });

  check('gives a chunk back when its consumer is dead, each task charged', async (world) => {
    await world.enqueue(...IDS.map((id) => message(id)));
    const dead = await world.consumer('dead', world.storage, LEASE_MS);
    await dead.take();
    const reaper = await world.consumer('reaper', world.storage, LEASE_MS);
    await world.until(async () => {
      await world.storage.beat(reaper.id, LEASE_MS);
      return (await world.storage.reap(LEASE_MS)).tasks === COUNT;
    });
    const texts = await reaper.takeTexts();
    assert.deepEqual(
      texts.map((text) => idOf(text)),
      IDS,
    );
    assert.deepEqual([...new Set(texts.map((text) => decodeHead(text).lapses))], [1]);
  });
}

async function leased(world: World): Promise<{ consumer: Consumer; reply: StepReply }> {
  await world.enqueue(...IDS.map((id) => message(id)));
  const consumer = await world.consumer();
  const reply = await consumer.take();
  assert.deepEqual(idsOf(reply), IDS);
  return { consumer, reply };
}

/** The end of every chunk of a reply, each with its receipt. */
function wholeOf(reply: StepReply): { completions: Uint8Array[]; receipts: (string | undefined)[] } {
  const completions = reply.chunks.map((chunk) => bytesOf(idsOf({ ...reply, chunks: [chunk] })));
  return { completions, receipts: receiptsOf(reply) };
}

function receiptsOf(reply: StepReply): (string | undefined)[] {
  return reply.chunks.map(({ receipt }) => receipt);
}

function bytesOf(ids: readonly string[]): Uint8Array {
  return Buffer.concat(ids.map((id) => done(id)));
}

async function running(world: World): Promise<string[]> {
  const listed = (await world.storage.list('running', 1000)).map(({ text }) => idOf(text));
  assert.equal((await world.storage.counts()).running, listed.length);
  return listed;
}
