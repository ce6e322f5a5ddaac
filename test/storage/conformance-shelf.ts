/** Values, notes and events, looking at a queue, and what people do by hand: retry or drop what is dead, flush. */
import assert from 'node:assert/strict';
import { encodeRecord } from '../../src/runtime/completion.js';
import { HueyException } from '../../src/runtime/errors.js';
import { decodeHead, idOf } from '../../src/runtime/message.js';
import type { Listed, Place, Storage } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, idsOf, items, message, numbered, type Consumer, type World } from './world.js';

const ALWAYS = { once: false, untilMs: 0 };

export function describeShelf({ check, checkLong }: Checks): void {
  check('keeps values by key: put, look, take, delete', async (world) => {
    const [storage, other] = [world.storage, await world.fixture.another()];
    assert.equal(await storage.getKey('räuber', false), undefined);
    assert.equal(await storage.putKey('räuber', '{"n":"ü\\u0000"}', false), true);
    assert.equal(await other.getKey('räuber', false), '{"n":"ü\\u0000"}');
    assert.equal(await storage.putKey('räuber', '2', true), false);
    assert.equal(await storage.putKey('räuber', '3', false), true);
    assert.equal(await other.getKey('räuber', true), '3');
    assert.equal(await storage.getKey('räuber', true), undefined);
    assert.equal(await other.putKey('räuber', '""', true), true);
    assert.equal(await storage.deleteKey('räuber'), true);
    assert.equal(await storage.deleteKey('räuber'), false);
  });

  check('gives a value to one of many that take it, and a place to one of many that put', async (world) => {
    const other = await world.fixture.another();
    const storages = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? world.storage : other));
    const put = await Promise.all(storages.map((storage, n) => storage.putKey('k', String(n), true)));
    assert.equal(put.filter((stored) => stored).length, 1);
    const taken = await Promise.all(storages.map((storage) => storage.getKey('k', true)));
    assert.equal(taken.filter((text) => text !== undefined).length, 1);
  });

  check('keeps a note of each kind for its time', async (world) => {
    const { storage } = world;
    await storage.setNote('a', 'progress', '0.5', 1);
    await storage.setNote('a', 'log', '["ü"]', 100);
    assert.equal(await storage.readNote('a', 'progress'), '0.5');
    await storage.setNote('a', 'progress', '0.6', 1);
    assert.equal(await (await world.fixture.another()).readNote('a', 'progress'), '0.6');
    await world.until(async () => (await storage.readNote('a', 'progress')) === undefined);
    assert.equal(await storage.readNote('a', 'log'), '["ü"]');
    assert.equal(await storage.readNote('b', 'log'), undefined);
  });

  describeLists({ check, checkLong });
  describeEvents({ check, checkLong });
}

function describeLists({ check }: Checks): void {
  check('lists what is ready in the order of leasing, what is scheduled by due date', async (world) => {
    const now = await world.now();
    await world.enqueue(
      message('low', { priority: -1 }),
      message('s1', { lapses: 2 }),
      message('a'),
      message('hi', { priority: 1 }),
      message('s2', { lapses: 2, priority: 9 }),
      message('b', {}, ['ü']),
      message('top', { priority: 7 }),
    );
    await world.storage.enqueue([
      { text: message('second'), etaMs: now + 90_000 },
      { text: message('first'), etaMs: now + 60_000 },
    ]);
    assert.deepEqual(await world.readyIds(), ['top', 'hi', 'a', 'b', 'low', 's1', 's2']);
    assert.deepEqual(await world.storage.list('ready', 4), [
      { text: message('top', { priority: 7 }) },
      { text: message('hi', { priority: 1 }) },
      { text: message('a') },
      { text: message('b', {}, ['ü']) },
    ]);
    assert.deepEqual(await world.storage.list('scheduled', 1), [{ text: message('first'), etaMs: now + 60_000 }]);
    assert.deepEqual(idsIn(await world.storage.list('scheduled', 9)), ['first', 'second']);
    assert.deepEqual(await world.storage.list('ready', 0), []);
  });

  check('lists what all consumers run', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c']));
    const first = await world.consumer('c1');
    const second = await world.consumer('c2');
    await first.take(1);
    await second.take(1);
    assert.deepEqual(idsIn(await world.storage.list('running', 9)).sort(), ['a', 'b']);
    assert.equal((await world.storage.list('running', 1)).length, 1);
    assert.deepEqual(await world.readyIds(), ['c']);
  });

  check('refuses to list what is no place, and a number that is none', async (world) => {
    await assert.rejects(world.storage.list('ready', -1), HueyException);
    await assert.rejects(world.storage.list('dead', 1.5), HueyException);
    await assert.rejects(world.storage.results(NaN), HueyException);
  });

  check('lists and counts the results that can be read, and no end markers', async (world) => {
    const ids = ['a', 'b', 'empty', 'read', 'over', 'mb1x2k9c7f3k0q2z000'];
    const consumer = await holding(world, ...ids);
    await consumer.step({
      completions: [done('a', '"ü"'), done('empty', ''), done('read'), done('over', '1', 1), done('mb1x2k9c7f3k0q2z000', '-1')],
    });
    await consumer.settle('b', {}, 'failed', '{"error":"no"}');
    await world.storage.removeResults(['read']);
    await world.until(async () => (await world.record('over')) === undefined);
    assert.deepEqual(
      new Map((await world.storage.results(9)).map(({ id, record }) => [id, record])),
      resultsOf({
        a: ['done', '"ü"'],
        b: ['failed', '{"error":"no"}'],
        mb1x2k9c7f3k0q2z000: ['done', '-1'],
      }),
    );
    assert.equal(await world.storage.resultCount(), 3);
    assert.equal((await world.storage.results(2)).length, 2);
    assert.deepEqual(await world.storage.results(0), []);
  });

  check('makes a dead message ready again, with a clean record', async (world) => {
    const text = message('a', { attempts: 3, retries: 1, lapses: 5, deaths: 4 });
    const consumer = await holding(world, 'a', 'b');
    await bury(consumer, 'a', text);
    await world.enqueue(message('x'));
    assert.equal(await world.storage.retryDead('b'), false);
    assert.equal(await world.storage.retryDead('a'), true);
    assert.equal(await world.storage.retryDead('a'), false);
    assert.equal(await world.record('a'), undefined);
    assert.deepEqual(await world.storage.list('dead', 9), []);
    assert.deepEqual((await world.storage.enqueue(items(['a']))).duplicates, [0]);
    const [x = '', again = ''] = await consumer.takeTexts();
    assert.equal(x, message('x'));
    const { attempts, retries, lapses, deaths } = decodeHead(again);
    assert.deepEqual({ attempts, retries, lapses, deaths }, { attempts: 3, retries: 1, lapses: 0, deaths: 0 });
    assert.equal((await consumer.finish('a')).committed, 1);
    assert.deepEqual(await world.record('a'), ['done', '1']);
  });

  check('wakes who waits by a retry of a dead one, at its priority', async (world) => {
    const consumer = await holding(world, 'a', 'b');
    await bury(consumer, 'a', message('a', { priority: 3 }));
    await world.enqueue(message('x'));
    await world.storage.retryDead('a');
    assert.deepEqual(await world.readyIds(), ['a', 'x']);
  });

  check('drops a dead message, whatever it looks like, and keeps its record', async (world) => {
    await world.fixture.pushRaw('hello');
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    await world.pass(5);
    await bury(consumer, 'a', message('a'));
    const [, raw] = await world.storage.list('dead', 9);
    assert.equal(raw?.text, 'hello');
    assert.equal(await world.storage.retryDead(raw?.id ?? ''), false);
    assert.equal(await world.storage.dropDead(raw?.id ?? ''), true);
    assert.equal(await world.storage.dropDead('a'), true);
    assert.equal(await world.storage.dropDead('a'), false);
    assert.equal((await world.storage.counts()).dead, 0);
    assert.deepEqual(await world.record('a'), ['dead', '{}']);
  });

  check('flushes everything but consumers and what they hold', async (world) => {
    const { storage } = world;
    const consumer = await holding(world, 'held', 'ended', 'buried');
    await consumer.finish('ended');
    await bury(consumer, 'buried', message('buried'));
    await fill(world);
    await storage.flush();
    for (const place of ['ready', 'scheduled', 'dead'] as Place[]) assert.deepEqual(await storage.list(place, 9), [], place);
    assert.deepEqual(await storage.counts(), { ready: 0, scheduled: 0, running: 1, dead: 0, consumers: 1 });
    assert.equal(await storage.resultCount(), 0);
    assert.deepEqual(await storage.readResults(['ended', 'buried']), [undefined, undefined]);
    assert.deepEqual([await storage.readMark({ id: 'x' }), await storage.readMark({ task: 'job' })], [undefined, undefined]);
    assert.deepEqual(await storage.lastTicks(['p']), [undefined]);
    assert.equal(await storage.isLocked('l'), false);
    assert.equal((await storage.rateLimit('r', 1, 60_000, false)).usage, 0);
    assert.equal(await storage.getKey('k', false), undefined);
    assert.equal(await storage.readNote('a', 'log'), undefined);
    assert.deepEqual(await storage.readChord('ch'), []);
    assert.deepEqual(await storage.enqueue([{ text: message('ready'), unique: claim }]), {
      duplicates: [],
      conflicts: [],
    });
    assert.deepEqual(idsOf(await consumer.take()), ['ready']);
    assert.equal((await consumer.finish('held', 'ready')).committed, 2);
    assert.equal((await storage.promote(9)).nextDueAt, undefined);
  });
}

function describeEvents({ check }: Checks): void {
  check('tells events to who listens, in order, in this and other processes', async (world) => {
    const other = await world.fixture.another();
    assert.equal(await world.storage.eventsWanted(), false);
    const [mine, theirs] = [await listening(world.storage), await listening(other)];
    assert.equal(await other.eventsWanted(), true);
    for (let n = 0; n < 20; n++) await world.storage.publishEvents([`{"n":${n},"x":"ü"}`, `"${n}"`]);
    await world.storage.publishEvents([]);
    const expected = Array.from({ length: 20 }, (_, n) => [`{"n":${n},"x":"ü"}`, `"${n}"`]).flat();
    for (const heard of [mine, theirs]) {
      await world.until(async () => heard.length >= expected.length);
      assert.deepEqual(heard, expected);
    }
  });

  check('tells thousands of events', async (world) => {
    const other = await world.fixture.another();
    const heard = await listening(other);
    const events = numbered(3000);
    for (let at = 0; at < events.length; at += 500) await world.storage.publishEvents(events.slice(at, at + 500));
    await world.until(async () => heard.length >= events.length);
    assert.deepEqual(heard, events);
  });

  check('tells nothing of what was published before, or to who listens no more', async (world) => {
    const other = await world.fixture.another();
    await other.publishEvents(['before']);
    const heard = await listening(world.storage);
    await other.publishEvents(['first']);
    await world.until(async () => heard.length > 0);
    await world.storage.listenToEvents(false);
    await world.until(async () => !(await other.eventsWanted()));
    await other.publishEvents(['unheard']);
    const late = await listening(other);
    await other.publishEvents(['second']);
    await world.until(async () => late.length > 0);
    assert.deepEqual([heard, late], [['first'], ['second']]);
  });
}

const claim = { key: 'u', onConflict: 'reject', ttlMs: 0 } as const;

/** Something in every room of a storage. */
async function fill({ storage }: World): Promise<void> {
  const [ready, ...chord] = items(['ready', 'member']);
  await storage.enqueue(
    [
      { text: ready?.text ?? '', unique: claim },
      ...chord,
      { text: message('hi', { priority: 1 }) },
      { text: message('lo', { priority: -1 }) },
      { text: message('alone', { lapses: 2 }) },
      { text: message('later'), delayMs: 60_000 },
    ],
    [{ id: 'ch', size: 2, callback: message('callback') }],
  );
  await storage.revoke({ id: 'x' }, ALWAYS);
  await storage.revoke({ task: 'job' }, ALWAYS);
  await storage.skipTicks(['p'], 60_000);
  await storage.acquireLock('l', { token: 't', leaseMs: 60_000 });
  await storage.rateLimit('r', 1, 60_000, true);
  await storage.putKey('k', '1', false);
  await storage.setNote('a', 'log', '[]', 100);
}

async function holding(world: World, ...ids: string[]): Promise<Consumer> {
  await world.storage.enqueue(items(ids));
  const consumer = await world.consumer();
  assert.deepEqual(await consumer.takeIds(), ids);
  return consumer;
}

async function bury(consumer: Consumer, id: string, text: string): Promise<void> {
  await consumer.move({ kind: 'bury', id, text, reason: 'why', record: encodeRecord('dead', '{}'), ttlSeconds: 100 });
}

/** What it hears from now on. A gap fails the test. */
async function listening(storage: Storage): Promise<string[]> {
  const heard: string[] = [];
  storage.listen({
    onEvents: (events, gap) => {
      heard.push(...events);
      if (gap) heard.push('a gap');
    },
  });
  await storage.listenToEvents(true);
  return heard;
}

function idsIn(listed: readonly Listed[]): string[] {
  return listed.map(({ text }) => idOf(text));
}

function resultsOf(records: Record<string, [state: string, payload: string]>): Map<string, unknown> {
  return new Map(Object.entries(records).map(([id, [state, payload]]) => [id, { state, payload }]));
}
