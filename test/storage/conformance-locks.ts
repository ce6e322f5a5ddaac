/** Locks that end with who has them, and rate limits. */
import assert from 'node:assert/strict';
import { HueyException } from '../../src/runtime/errors.js';
import { decodeHead, runOf, withHead } from '../../src/runtime/message.js';
import type { LockOwner } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { items, LEASE_MS, message, type Consumer, type World } from './world.js';

const LONG_MS = 60_000;

export function describeLocks({ check, checkLong }: Checks): void {
  check('gives a lock to one, who may ask again', async (world) => {
    const other = await world.fixture.another();
    assert.equal(await world.storage.isLocked('l'), false);
    assert.equal(await world.storage.acquireLock('l', leased('t1')), true);
    assert.equal(await world.storage.acquireLock('l', leased('t1')), true);
    assert.equal(await other.acquireLock('l', leased('t2')), false);
    assert.equal(await other.isLocked('l'), true);
    assert.equal(await other.acquireLock('räuber höhle', leased('t2')), true);
  });

  check('gives it to one of many that ask at the same time', async (world) => {
    const other = await world.fixture.another();
    const asked = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? world.storage : other).acquireLock('l', leased(`t${n}`)));
    assert.equal((await Promise.all(asked)).filter((taken) => taken).length, 1);
  });

  check('takes a lock back from who has it, and from nobody else', async (world) => {
    await world.storage.acquireLock('l', leased('t1'));
    assert.equal(await world.storage.releaseLock('l', 't2'), false);
    assert.equal(await world.storage.isLocked('l'), true);
    assert.equal(await world.storage.releaseLock('l', 't1'), true);
    assert.equal(await world.storage.releaseLock('l', 't1'), false);
    assert.equal(await world.storage.isLocked('l'), false);
  });

  check('frees the lock of a process after its lease, unless it is renewed', async (world) => {
    const { storage } = world;
    for (const [name, leaseMs] of [
      ['short', 300],
      ['renewed', 300],
    ] as const) {
      await storage.acquireLock(name, leased('t', leaseMs));
    }
    const endsAt = (await world.now()) + 300;
    assert.equal(await storage.extendLock('renewed', 't', LONG_MS), true);
    assert.equal(await storage.extendLock('renewed', 'other', LONG_MS), false);
    await world.until(async () => (await world.now()) >= endsAt);
    assert.equal(await storage.isLocked('short'), false);
    assert.equal(await storage.extendLock('short', 't', LONG_MS), false);
    assert.equal(await storage.releaseLock('short', 't'), false);
    assert.equal(await storage.isLocked('renewed'), true);
    assert.equal(await storage.acquireLock('short', leased('other')), true);
  });

  check('keeps the lock of a run as long as the run', async (world) => {
    const { consumer, owner } = await running(world);
    assert.equal(await world.storage.acquireLock('l', owner), true);
    assert.equal(await world.storage.acquireLock('l', owner), true);
    assert.equal(await world.storage.acquireLock('l', leased('other')), false);
    assert.equal(await world.storage.extendLock('l', owner.token, LONG_MS), true);
    await consumer.finish('a');
    assert.equal(await world.storage.isLocked('l'), false);
    assert.equal(await world.storage.releaseLock('l', owner.token), false);
    assert.equal(await world.storage.acquireLock('l', leased('other')), true);
  });

  check('frees it when the task is retried, although it runs again', async (world) => {
    const { consumer, owner } = await running(world);
    await world.storage.acquireLock('l', owner);
    const text = withHead(message('a'), { ...decodeHead(message('a')), attempts: 1 });
    await consumer.move({ kind: 'requeue', id: 'a', text, delayMs: 0, at: 'tail' });
    assert.equal(await world.storage.isLocked('l'), false);
    assert.deepEqual(await consumer.takeTexts(), [text]);
    assert.equal(await world.storage.isLocked('l'), false);
    assert.equal(await world.storage.acquireLock('l', { ...runner('t2', text) }), true);
  });

  check('frees it when the consumer gives the task back, leaves, or dies', async (world) => {
    const first = await running(world);
    await world.storage.acquireLock('l', first.owner);
    await world.storage.release('c1', ['a']);
    assert.equal(await world.storage.isLocked('l'), false);

    await first.consumer.take();
    await world.storage.acquireLock('l', first.owner);
    await world.storage.unregister('c1');
    assert.equal(await world.storage.isLocked('l'), false);

    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    const [text = ''] = await silent.takeTexts();
    assert.equal(await world.storage.acquireLock('l', runner('t', text, 'silent')), true);
    await world.storage.register('voice', LEASE_MS);
    await world.until(async () => {
      await world.storage.beat('voice', LEASE_MS);
      return (await world.storage.reap(LEASE_MS)).consumers.includes('silent');
    });
    assert.equal(await world.storage.isLocked('l'), false);
  });

  check('gives no lock to a run that is over, or is another consumer’s', async (world) => {
    const { consumer, owner } = await running(world);
    assert.equal(await world.storage.acquireLock('l', runner('t', message('a'), 'c2')), false);
    assert.equal(await world.storage.acquireLock('l', runner('t', message('a', { attempts: 4 }))), false);
    await consumer.finish('a');
    assert.equal(await world.storage.acquireLock('l', owner), false);
    assert.equal(await world.storage.isLocked('l'), false);
  });

  check('removes locks by name or all, and gives those that were held', async (world) => {
    const { storage } = world;
    const { consumer, owner } = await running(world);
    await storage.acquireLock('run', owner);
    for (const name of ['p1', 'p2', 'p3']) await storage.acquireLock(name, leased('t'));
    assert.deepEqual(await storage.flushLocks(['p1', 'unheard', 'p1']), ['p1']);
    assert.equal(await storage.isLocked('p1'), false);
    assert.equal(await storage.isLocked('p2'), true);
    await storage.acquireLock('over', leased('t', 1));
    const later = (await world.now()) + 1;
    await world.until(async () => (await world.now()) > later);
    assert.deepEqual((await storage.flushLocks()).sort(), ['p2', 'p3', 'run']);
    assert.deepEqual(await storage.flushLocks(), []);
    assert.equal(await storage.isLocked('run'), false);
    assert.equal((await consumer.finish('a')).committed, 1);
  });

  check('refuses names and owners that make no sense', async (world) => {
    const { storage } = world;
    for (const name of ['', 'x'.repeat(201)]) {
      await assert.rejects(storage.acquireLock(name, leased('t')), HueyException);
      await assert.rejects(storage.isLocked(name), HueyException);
      await assert.rejects(storage.flushLocks([name]), HueyException);
      await assert.rejects(storage.rateLimit(name, 1, 1000, true), HueyException);
    }
    const run = { consumer: 'c', id: 'a', run: 'x' };
    for (const owner of [
      { token: '' },
      { token: 't' },
      { token: '', leaseMs: 9 },
      { token: 't', leaseMs: 0 },
      { token: 't', run, leaseMs: 9 },
    ]) {
      await assert.rejects(storage.acquireLock('l', owner), HueyException, JSON.stringify(owner));
    }
    await assert.rejects(storage.extendLock('l', 't', NaN), HueyException);
    assert.equal(await storage.acquireLock('x'.repeat(200), leased('t')), true);
  });

  describeRates({ check, checkLong });
}

function describeRates({ check }: Checks): void {
  check('counts calls up to the limit in a window that begins with the first', async (world) => {
    const { storage } = world;
    assert.deepEqual(await storage.rateLimit('r', 2, LONG_MS, false), { allowed: true, usage: 0, resetMs: 0 });
    const usages = [];
    for (let n = 0; n < 3; n++) {
      const { allowed, usage, resetMs } = await storage.rateLimit('r', 2, LONG_MS, true);
      assert.ok(resetMs > 0 && resetMs <= LONG_MS);
      usages.push([allowed, usage]);
    }
    assert.deepEqual(usages, [
      [true, 1],
      [true, 2],
      [false, 2],
    ]);
    const { allowed, usage } = await (await world.fixture.another()).rateLimit('r', 2, LONG_MS, false);
    assert.deepEqual([allowed, usage], [false, 2]);
    assert.equal((await storage.rateLimit('other', 2, LONG_MS, true)).usage, 1);
  });

  check('begins a new window when the old one is over, not before', async (world) => {
    const { resetMs } = await world.storage.rateLimit('r', 1, 300, true);
    assert.ok(resetMs > 0 && resetMs <= 300);
    const endsAt = (await world.now()) + resetMs;
    const { reply, askedAt } = await world.until(async () => {
      const reply = await world.storage.rateLimit('r', 1, 300, true);
      return reply.allowed && { reply, askedAt: await world.now() };
    });
    assert.equal(reply.usage, 1);
    assert.ok(askedAt >= endsAt - 2, 'a window lasts its time');
  });

  check('forgets what was counted', async (world) => {
    await world.storage.rateLimit('r', 1, LONG_MS, true);
    await world.storage.resetRate('r');
    await world.storage.resetRate('unheard');
    assert.deepEqual(await world.storage.rateLimit('r', 1, LONG_MS, false), { allowed: true, usage: 0, resetMs: 0 });
    assert.equal((await world.storage.rateLimit('r', 1, LONG_MS, true)).allowed, true);
  });

  check('allows no more than the limit to many that ask at the same time', async (world) => {
    const other = await world.fixture.another();
    const asked = Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? world.storage : other).rateLimit('r', 7, LONG_MS, true));
    assert.equal((await Promise.all(asked)).filter(({ allowed }) => allowed).length, 7);
  });

  check('refuses a limit that makes no sense', async (world) => {
    for (const limit of [-1, 1.5, NaN]) await assert.rejects(world.storage.rateLimit('r', limit, 1000, true), HueyException);
    for (const perMs of [0, -1, NaN]) await assert.rejects(world.storage.rateLimit('r', 1, perMs, true), HueyException);
    assert.equal((await world.storage.rateLimit('r', 0, 1000, true)).allowed, false);
  });
}

function leased(token: string, leaseMs = LONG_MS): LockOwner {
  return { token, leaseMs };
}

function runner(token: string, text: string, consumer = 'c1'): LockOwner {
  const head = decodeHead(text);
  return { token, run: { consumer, id: head.id, run: runOf(head) } };
}

async function running(world: World): Promise<{ consumer: Consumer; owner: LockOwner }> {
  await world.storage.enqueue(items(['a']));
  const consumer = await world.consumer();
  const [text = ''] = await consumer.takeTexts();
  return { consumer, owner: runner('t', text) };
}
