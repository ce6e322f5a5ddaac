/** Consumers that fell silent: when they count as dead, and what becomes of their tasks. */
import assert from 'node:assert/strict';
import { ConsumerReaped } from '../../src/runtime/errors.js';
import { DEATHS_MAX } from '../../src/runtime/limits.js';
import { decodeHead } from '../../src/runtime/message.js';
import type { ReapReply } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, headsOf, idsOf, items, LEASE_MS, message, type World } from './world.js';

export function describeReap({ check, checkLong }: Checks): void {
  check('gives back what a silent consumer held, to the head, in order, charged with a lapse', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c', 'd']));
    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    await silent.take(3);
    await silent.finish('b');
    const reply = await reaped(world, 'silent');
    assert.deepEqual([reply.consumers, reply.tasks], [['silent'], 2]);
    const alive = await world.consumer('alive');
    const heads = headsOf(await alive.take());
    assert.deepEqual(
      heads.map(({ id, lapses, deaths }) => [id, lapses, deaths]),
      [
        ['a', 1, 0],
        ['c', 1, 0],
        ['d', 0, 0],
      ],
    );
    assert.equal((await world.storage.counts()).consumers, 1);
  });

  check('refuses everything of a consumer that was reaped, also when a new life took the same task', async (world) => {
    await world.enqueue(message('a'));
    const stale = await world.consumer('stale', world.storage, LEASE_MS);
    await stale.take();
    await reaped(world, 'stale');
    const fresh = await world.consumer('fresh');
    assert.deepEqual(await fresh.takeIds(), ['a']);
    await assert.rejects(stale.step({ completions: [done('a', '"late"')] }), ConsumerReaped);
    await assert.rejects(stale.take(), ConsumerReaped);
    await assert.rejects(world.storage.beat('stale', LEASE_MS), ConsumerReaped);
    assert.equal(await world.record('a'), undefined);
    assert.equal((await fresh.step({ completions: [done('a', '"right"')] })).committed, 1);
    assert.deepEqual(await world.record('a'), ['done', '"right"']);
  });

  check('leaves a consumer alone whose heartbeat goes on', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer('c1', world.storage, LEASE_MS);
    await consumer.take();
    const endsAt = (await world.now()) + 3 * LEASE_MS;
    await world.until(async () => {
      await world.storage.beat('c1', LEASE_MS);
      assert.deepEqual((await world.storage.reap(LEASE_MS)).consumers, []);
      return (await world.now()) > endsAt;
    });
    assert.equal((await consumer.finish('a')).committed, 1);
  });

  check('does not count a silence that everybody shared', async (world) => {
    await world.consumer('c1', world.storage, LEASE_MS);
    await world.consumer('c2', world.storage, LEASE_MS);
    await world.pass(3 * LEASE_MS);
    assert.deepEqual((await world.storage.reap(LEASE_MS)).consumers, []);
    await world.storage.beat('c1', LEASE_MS);
    assert.deepEqual((await world.storage.reap(LEASE_MS)).consumers, []);
    // From then on one more lease, in which somebody is heard.
    const reply = await reaped(world, 'c2', 'c1');
    assert.deepEqual(reply.consumers, ['c2']);
  });

  checkLong('reaps when the lease is over and not before', async (world) => {
    const { storage } = world;
    await world.consumer('alive', storage, 1000);
    await world.consumer('silent', storage, 1000);
    for (let ms = 0; ms < 999; ms += 333) {
      assert.deepEqual((await storage.reap(1000)).consumers, []);
      await storage.beat('alive', 1000);
      await world.pass(333);
    }
    assert.deepEqual((await storage.reap(1000)).consumers, []);
    await world.pass(1);
    assert.deepEqual((await storage.reap(1000)).consumers, ['silent']);
  });

  checkLong('waits one lease after a silence, counted from the first that is heard again', async (world) => {
    const { storage } = world;
    await world.consumer('alive', storage, 1000);
    await world.consumer('silent', storage, 1000);
    await world.pass(600_000);
    await storage.beat('alive', 1000);
    for (let ms = 0; ms < 1000; ms += 250) {
      assert.deepEqual((await storage.reap(1000)).consumers, []);
      await world.pass(250);
      await storage.beat('alive', 1000);
    }
    assert.deepEqual((await storage.reap(1000)).consumers, ['silent']);
  });

  checkLong('takes a clock that steps back for such a silence, and caps the leases', async (world) => {
    const { storage } = world;
    await world.consumer('alive', storage, 1000);
    await world.consumer('silent', storage, 1000);
    await world.pass(-3_600_000);
    for (let ms = 0; ms < 1000; ms += 250) {
      await storage.beat('alive', 1000);
      assert.deepEqual((await storage.reap(1000)).consumers, []);
      await world.pass(250);
    }
    await storage.beat('alive', 1000);
    assert.deepEqual((await storage.reap(1000)).consumers, ['silent']);
  });

  check('makes a task that lapsed twice run alone', async (world) => {
    await world.enqueue(message('twice', { lapses: 1 }), message('once'));
    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    await silent.take();
    await reaped(world, 'silent');
    const alive = await world.consumer('alive');
    assert.deepEqual(await alive.takeIds(), ['once']);
    const head = decodeHead((await alive.takeSolo()) ?? '');
    assert.deepEqual([head.id, head.lapses, head.deaths], ['twice', 2, 0]);
  });

  check('charges a death to a task that ran alone, and ends it not', async (world) => {
    await world.enqueue(message('first', { lapses: 2 }), message('last', { lapses: 5, deaths: DEATHS_MAX, priority: 1 }));
    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    assert.ok((await silent.takeSolo()) !== undefined);
    assert.ok((await silent.takeSolo()) !== undefined);
    assert.equal((await reaped(world, 'silent')).tasks, 2);
    assert.equal(await world.record('last'), undefined);
    assert.deepEqual(
      (await world.storage.list('ready', 9)).map(({ text }) => decodeHead(text)).map(({ id, lapses, deaths }) => [id, lapses, deaths]),
      [
        ['first', 3, 1],
        ['last', 6, DEATHS_MAX + 1],
      ],
    );
    assert.equal((await world.storage.counts()).dead, 0);
  });

  check('keeps the count of lapses within its one digit', async (world) => {
    await world.enqueue(message('a', { lapses: 35, deaths: 0 }));
    const silent = await world.consumer('silent', world.storage, LEASE_MS);
    await silent.takeSolo();
    await reaped(world, 'silent');
    const alive = await world.consumer('alive');
    const head = decodeHead((await alive.takeSolo()) ?? '');
    assert.deepEqual([head.lapses, head.deaths], [35, 1]);
  });

  check('reaps several at once, each task once', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c', 'd', 'e', 'f']));
    let held = 0;
    for (const id of ['s1', 's2', 's3']) {
      const silent = await world.consumer(id, world.storage, LEASE_MS);
      held += (await silent.takeIds(2)).length;
    }
    const seen = new Set<string>();
    let tasks = 0;
    await world.consumer('watch', world.storage, LEASE_MS);
    await world.until(async () => {
      await world.storage.beat('watch', LEASE_MS);
      const reply = await world.storage.reap(LEASE_MS);
      reply.consumers.forEach((id) => seen.add(id));
      tasks += reply.tasks;
      return seen.size === 3;
    });
    const alive = await world.consumer('alive');
    const ids: string[] = [];
    for (let got = await alive.take(); got.chunks.length > 0; got = await alive.take()) ids.push(...idsOf(got));
    assert.equal(tasks, held);
    assert.deepEqual(ids.sort(), ['a', 'b', 'c', 'd', 'e', 'f']);
  });
}

/** Lets one fall silent while another is heard, until the silent one is reaped. The other leaves unless it was there. */
async function reaped(world: World, silent: string, heard?: string): Promise<ReapReply> {
  const voice = heard ?? 'voice';
  if (heard === undefined) await world.storage.register(voice, LEASE_MS);
  const reply = await world.until(async () => {
    await world.storage.beat(voice, LEASE_MS);
    const reply = await world.storage.reap(LEASE_MS);
    return reply.consumers.includes(silent) && reply;
  });
  if (heard === undefined) await world.storage.unregister(voice);
  return reply;
}
