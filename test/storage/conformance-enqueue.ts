/** Storing messages: once each, all of a call or none, byte for byte. */
import assert from 'node:assert/strict';
import { HueyException } from '../../src/runtime/errors.js';
import { DEDUPE_TTL_MS } from '../../src/runtime/limits.js';
import type { EnqueueItem } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { generated, idsOf, headsOf, items, message, numbered } from './world.js';

export function describeEnqueue({ check, checkLong }: Checks): void {
  check('keeps the order of one call, whatever some of it is to be looked at for', async (world) => {
    const expiresAt = (await world.now()) + 60_000;
    await world.enqueue(
      message('a'),
      message('b', { expiresAt }),
      message('c'),
      message('d', { expiresAt: 60_000, expiryIsRelative: true }),
    );
    assert.deepEqual(await world.readyIds(), ['a', 'b', 'c', 'd']);
  });

  check('hands out in the order of the enqueue, byte for byte', async (world) => {
    const texts = ['a', 'b', 'c'].map((id) => message(id, { name: 'räuber höhle', retries: 3, timeoutMs: 1500 }, [id, 1.5, null]));
    await world.enqueue(...texts);
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeTexts(), texts);
  });

  check('stores an id once, in one call, in a later one, and after it ended', async (world) => {
    const { storage } = world;
    assert.deepEqual(await storage.enqueue(items(['a', 'b', 'a'])), { duplicates: [2], conflicts: [] });
    assert.deepEqual(await storage.enqueue(items(['c', 'b'])), { duplicates: [1], conflicts: [] });
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['a', 'b', 'c']);
    assert.deepEqual(await storage.enqueue(items(['b'])), { duplicates: [0], conflicts: [] });
    await consumer.finish('a', 'b', 'c');
    assert.deepEqual(await storage.enqueue(items(['a', 'd'])), { duplicates: [0], conflicts: [] });
    assert.deepEqual(await consumer.takeIds(), ['d']);
  });

  check('knows generated ids apart by every character', async (world) => {
    const ids = ['mb1x2k9c7f3k0q2z000', 'mb1x2k9c7f3k0q2z001', 'mb1x2k9c7f3k0q2z35r', 'mb1x2k9c7f3k0q2y000'];
    assert.deepEqual(await world.storage.enqueue(items([...ids, 'mb1x2k9c7f3k0q2z001'])), { duplicates: [4], conflicts: [] });
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ids);
  });

  check('knows generated ids that it has met, wherever they stand among new ones', async (world) => {
    const { storage } = world;
    const [first, last] = [generated(0, 40), generated(1, 3)];
    await storage.enqueue(items([...first.slice(6, 9), ...last.slice(0, 1)]));
    const all = [...first, ...last, first[0] ?? ''];
    const { duplicates } = await storage.enqueue(items(all));
    assert.deepEqual(duplicates, [6, 7, 8, 40, 43]);
    const fresh = all.filter((_, i) => !duplicates.includes(i));
    assert.deepEqual(await world.readyIds(), [...first.slice(6, 9), ...last.slice(0, 1), ...fresh]);
    assert.deepEqual(
      (await storage.enqueue(items(all))).duplicates,
      all.map((_, i) => i),
    );
  });

  check('stores generated ids beside others, and what is due later', async (world) => {
    const [now, later] = [generated(0, 3), generated(1, 2)];
    const list = [...items(now), ...items(['own']), ...items(later).map((item) => ({ ...item, delayMs: 60_000 }))];
    assert.deepEqual(await world.storage.enqueue(list), { duplicates: [], conflicts: [] });
    assert.deepEqual(await world.readyIds(), [...now, 'own']);
    assert.equal((await world.storage.counts()).scheduled, 2);
    assert.deepEqual((await world.storage.enqueue(list)).duplicates, [0, 1, 2, 3, 4, 5]);
  });

  checkLong('remembers an id for 24 hours', async (world) => {
    await world.enqueue(message('a'));
    await world.pass(DEDUPE_TTL_MS - 1);
    assert.deepEqual(await world.storage.enqueue(items(['a'])), { duplicates: [0], conflicts: [] });
    await world.pass(1);
    assert.deepEqual(await world.storage.enqueue(items(['a'])), { duplicates: [], conflicts: [] });
  });

  check('takes an empty list', async (world) => {
    assert.deepEqual(await world.storage.enqueue([]), { duplicates: [], conflicts: [] });
  });

  check('takes 5000 in one call and hands out each once', async (world) => {
    const ids = numbered(5000);
    assert.deepEqual(await world.storage.enqueue(items(ids)), { duplicates: [], conflicts: [] });
    assert.equal((await world.storage.counts()).ready, 5000);
    const consumer = await world.consumer();
    const taken: string[] = [];
    const next = async (): Promise<string[]> => idsOf(await consumer.step({ chunks: 4, chunkSize: 250 }));
    for (let got = await next(); got.length > 0; got = await next()) taken.push(...got);
    assert.deepEqual(taken, ids);
    assert.equal((await world.storage.counts()).running, 5000);
  });

  check('keeps a message of 1 MiB and every kind of character', async (world) => {
    const odd = 'ü €𝄞\u2028\u0000"\\\t🙂';
    const texts = [message('big', {}, ['x'.repeat(1024 * 1024)]), message('odd', { name: 'Aufgabe 🙂' }, [odd, { [odd]: odd }])];
    await world.enqueue(...texts);
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeTexts(), texts);
  });

  check('makes a relative expiry absolute by its own clock', async (world) => {
    const before = await world.now();
    await world.enqueue(message('a', { expiresAt: 60_000, expiryIsRelative: true }));
    const after = await world.now();
    const consumer = await world.consumer();
    const reply = await consumer.take();
    const [head] = headsOf(reply);
    assert.ok(head !== undefined && head.expiryIsRelative === undefined);
    assert.ok(head.expiresAt >= before + 60_000 && head.expiresAt <= after + 60_000, `${head.expiresAt} is 60 s after the enqueue`);
  });

  check('keeps what is delayed or due later from being leased, and counts it', async (world) => {
    const { storage } = world;
    const now = await world.now();
    await storage.enqueue([
      { text: message('delayed'), delayMs: 60_000 },
      { text: message('later'), etaMs: now + 60_000 },
      { text: message('past'), etaMs: now - 60_000 },
      { text: message('zero'), delayMs: 0 },
    ]);
    const { ready, scheduled } = await storage.counts();
    assert.deepEqual({ ready, scheduled }, { ready: 2, scheduled: 2 });
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['past', 'zero']);
  });

  const bad: Record<string, EnqueueItem> = {
    'no message': { text: 'hello' },
    'an empty text': { text: '' },
    'a message of another version': { text: message('x').replace('["1', '["2') },
    'a message with a line break': { text: message('x').replace('"at"', '\n"at"') },
    'a delay that is no number': { text: message('x'), delayMs: NaN },
    'a delay without end': { text: message('x'), delayMs: Infinity },
    'a negative delay': { text: message('x'), delayMs: -1 },
    'a due date that is no number': { text: message('x'), etaMs: NaN },
  };
  for (const [what, item] of Object.entries(bad)) {
    check(`refuses ${what}, and stores nothing of that call`, async (world) => {
      await assert.rejects(world.storage.enqueue([{ text: message('a') }, item, { text: message('b') }]), HueyException);
      const { ready, scheduled } = await world.storage.counts();
      assert.deepEqual({ ready, scheduled }, { ready: 0, scheduled: 0 });
      assert.deepEqual(await world.storage.enqueue(items(['a', 'b'])), { duplicates: [], conflicts: [] });
    });
  }
}
