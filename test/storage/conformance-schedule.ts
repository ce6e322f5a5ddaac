/** What is due later, and the ticks of periodic tasks. */
import assert from 'node:assert/strict';
import { HueyException } from '../../src/runtime/errors.js';
import { MINUTE_MS } from '../../src/runtime/limits.js';
import { decodeHead, withHead } from '../../src/runtime/message.js';
import type { Checks } from './conformance.js';
import { message, numbered } from './world.js';

export function describeSchedule({ check, checkLong }: Checks): void {
  check('promotes what is due, never early, in the order of the due dates', async (world) => {
    const { storage } = world;
    const start = await world.now();
    await storage.enqueue([
      { text: message('third'), etaMs: start + 400 },
      { text: message('first'), etaMs: start + 300 },
      { text: message('far'), etaMs: start + 60_000 },
      { text: message('second'), etaMs: start + 350 },
    ]);
    const consumer = await world.consumer();
    const seen: string[] = [];
    await world.until(async () => {
      const { now, nextDueAt } = await storage.promote(10);
      assert.ok(nextDueAt === undefined || nextDueAt > now, 'everything that was due is promoted');
      for (const id of await consumer.takeIds()) {
        seen.push(id);
        const after = (await world.now()) - start;
        assert.ok(after >= { first: 300, second: 350, third: 400, far: 60_000 }[id as 'first'], `${id} after ${after} ms`);
      }
      return seen.length === 3;
    });
    assert.deepEqual(seen, ['first', 'second', 'third']);
    assert.equal((await storage.promote(10)).nextDueAt, start + 60_000);
    assert.equal((await storage.counts()).scheduled, 1);
  });

  check('promotes no more than asked for in one call', async (world) => {
    const { storage } = world;
    await storage.enqueue(numbered(25).map((id) => ({ text: message(id), delayMs: 50 })));
    const soon = (await world.now()) + 50;
    await world.until(async () => (await world.now()) >= soon);
    const counts = [];
    for (let n = 0; n < 4; n++) counts.push((await storage.promote(10)).promoted);
    assert.deepEqual(counts, [10, 10, 5, 0]);
    const consumer = await world.consumer();
    assert.deepEqual((await consumer.takeIds()).sort(), numbered(25));
    assert.deepEqual((await storage.promote(10)).nextDueAt, undefined);
  });

  check('promotes thousands, with their priorities', async (world) => {
    const { storage } = world;
    await storage.enqueue(numbered(2000).map((id, n) => ({ text: message(id, { priority: n % 2 }), delayMs: 50 })));
    const soon = (await world.now()) + 50;
    await world.until(async () => (await world.now()) >= soon);
    assert.equal((await storage.promote(5000)).promoted, 2000);
    const consumer = await world.consumer();
    const ids = await consumer.takeIds(1000);
    assert.ok(
      ids.every((id) => Number(id.slice(1)) % 2 === 1),
      'the higher priority comes first',
    );
    assert.equal(new Set([...ids, ...(await consumer.takeIds(1000))]).size, 2000);
  });

  check('promotes a suspect to where it runs alone', async (world) => {
    await world.storage.enqueue([{ text: message('s', { lapses: 2 }), delayMs: 30 }]);
    const consumer = await world.consumer();
    await world.until(async () => (await world.storage.promote(10)).promoted === 1);
    assert.deepEqual(await consumer.takeIds(), []);
    assert.equal(await consumer.takeSolo(), message('s', { lapses: 2 }));
  });

  check('brings a delayed retry back with its new head', async (world) => {
    await world.enqueue(message('a', { retries: 3 }));
    const consumer = await world.consumer();
    await consumer.take();
    const text = withHead(message('a'), { ...decodeHead(message('a')), attempts: 1, retries: 2 });
    const reply = await consumer.move({ kind: 'requeue', id: 'a', text, delayMs: 60, at: 'tail' });
    const promoted = await world.until(async () => {
      const found = await world.storage.promote(10);
      return found.promoted === 1 && found;
    });
    assert.ok(promoted.now >= reply.now + 60);
    assert.deepEqual(await consumer.takeTexts(), [text]);
  });

  check('tells, also another process, that something is due earlier than what was known', async (world) => {
    const other = await world.fixture.another();
    let told = 0;
    other.listen({ onScheduled: () => told++ });
    const start = await world.now();
    let aheadMs = 100_000;
    await world.until(async () => {
      // Each due earlier than all before: whoever listens in another process may need a moment until it hears.
      aheadMs -= 100;
      await world.storage.enqueue([{ text: message(`due-${aheadMs}`), etaMs: start + aheadMs }]);
      return told > 0;
    });
  });

  check('enqueues a tick once, whoever asks first, and never an older one', async (world) => {
    const other = await world.fixture.another();
    const minuteMs = Math.floor((await world.now()) / MINUTE_MS) * MINUTE_MS;
    const tick = (n: number, at = minuteMs): { task: string; minuteMs: number; text: string } => ({
      task: 'p',
      minuteMs: at,
      text: message(`tick-${n}`),
    });
    assert.equal(await world.storage.tick(tick(1, minuteMs - MINUTE_MS)), true);
    const replies = await Promise.all([world.storage.tick(tick(2)), other.tick(tick(3)), other.tick(tick(4)), world.storage.tick(tick(5))]);
    assert.deepEqual(replies.toSorted(), [false, false, false, true]);
    assert.equal(await other.tick(tick(6, minuteMs - MINUTE_MS)), false);
    assert.equal(await other.tick({ ...tick(7), task: 'q' }), true);
    assert.equal((await world.storage.counts()).ready, 3);
    assert.deepEqual(await other.lastTicks(['p', 'q', 'unheard']), [minuteMs, minuteMs, undefined]);
    assert.deepEqual(await other.lastTicks([]), []);
  });

  check('enqueues no tick before its minute has come by its own clock', async (world) => {
    const minuteMs = (Math.floor((await world.now()) / MINUTE_MS) + 2) * MINUTE_MS;
    assert.equal(await world.storage.tick({ task: 'p', minuteMs, text: message('a') }), false);
    assert.deepEqual(await world.storage.lastTicks(['p']), [undefined]);
    assert.equal((await world.storage.counts()).ready, 0);
  });

  checkLong('enqueues the tick of every minute for a day', async (world) => {
    const start = Math.ceil((await world.now()) / MINUTE_MS) * MINUTE_MS;
    await world.pass(start - (await world.now()));
    for (let n = 0; n < 1440; n++) {
      const call = { task: 'p', minuteMs: start + n * MINUTE_MS, text: message(`tick-${n}`) };
      assert.equal(await world.storage.tick(call), true);
      assert.equal(await world.storage.tick(call), false);
      await world.pass(MINUTE_MS);
    }
    assert.equal((await world.storage.counts()).ready, 1440);
  });

  check('records a minute as seen without running it, and keeps a later one', async (world) => {
    const { storage } = world;
    const minuteMs = Math.floor((await world.now()) / MINUTE_MS) * MINUTE_MS;
    await storage.skipTicks(['p', 'q'], minuteMs);
    await storage.skipTicks(['p'], minuteMs - MINUTE_MS);
    await storage.skipTicks([], minuteMs);
    assert.deepEqual(await storage.lastTicks(['p', 'q']), [minuteMs, minuteMs]);
    assert.equal(await storage.tick({ task: 'p', minuteMs, text: message('a') }), false);
    assert.equal((await storage.counts()).ready, 0);
  });

  check('refuses a tick that is no message, and records nothing', async (world) => {
    await assert.rejects(world.storage.tick({ task: 'p', minuteMs: MINUTE_MS, text: 'hello' }), HueyException);
    assert.deepEqual(await world.storage.lastTicks(['p']), [undefined]);
  });
}
