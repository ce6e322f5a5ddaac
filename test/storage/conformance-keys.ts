/** Keyed messages: at most so many of a key in flight, whoever their consumers are; the others are parked until it is their turn. */
import assert from 'node:assert/strict';
import { encodeRecord } from '../../src/runtime/completion.js';
import { MalformedMessage } from '../../src/runtime/errors.js';
import { idOf, type Head } from '../../src/runtime/message.js';
import type { StepReply, Storage, Transition } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { Consumer, done, idsOf, LEASE_MS, message, numbered } from './world.js';

const GONE = encodeRecord('canceled', '');

export function describeKeys({ check }: Checks): void {
  check('leases at most so many of a key over all consumers, and each end frees the next in order', async (world) => {
    await world.enqueue(...['a', 'b', 'c', 'd', 'e'].map((id) => keyed(id, 2)));
    const [one, two] = [await world.consumer('c1'), await world.consumer('c2')];
    assert.deepEqual([...(await one.takeIds(1)), ...(await two.takeIds(1))], ['a', 'b']);
    assert.deepEqual([...(await drain(one)), ...(await drain(two))], []);
    await two.finish('b');
    assert.deepEqual(await drain(one), ['c']);
    await one.finish('c', 'a');
    assert.deepEqual([...(await two.takeIds(1)), ...(await one.takeIds(1))], ['d', 'e']);
  });

  check('frees as many as ended, in order', async (world) => {
    await world.enqueue(...numbered(9).map((id) => keyed(id, 3)));
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['t00000', 't00001', 't00002']);
    const reply = await consumer.step({ completions: ['t00000', 't00001', 't00002'].map((id) => done(id)), chunks: 1, chunkSize: 9 });
    assert.deepEqual(idsOf(reply), ['t00003', 't00004', 't00005']);
    const settles = ['t00003', 't00004', 't00005'].map((id): Transition => ({ kind: 'settle', id, record: GONE, ttlSeconds: 10 }));
    assert.deepEqual(idsOf(await consumer.step({ transitions: settles, chunks: 1, chunkSize: 9 })), ['t00006', 't00007', 't00008']);
  });

  check('takes what stands behind those it parks in the same step, and never looks at those again', async (world) => {
    const parked = numbered(150, 'k');
    for (let from = 0; from < 150; from += 50) await world.enqueue(...parked.slice(from, from + 50).map((id) => keyed(id, 1)));
    await world.enqueue(message('x'), message('y'), keyed('z', 1, { name: 'a b' }, 'other'));
    const consumer = await world.consumer();
    assert.deepEqual(idsOf(await consumer.take(2)), ['k00000', 'x']);
    const reply = await consumer.take(1000);
    assert.deepEqual([idsOf(reply), reply.left, await world.held()], [['y', 'z'], 0, 4]);
    assert.equal((await consumer.take()).left, 0);
    const { ready, running } = await world.storage.counts();
    assert.deepEqual({ ready, running }, { ready: 149, running: 4 });
  });

  check('counts keys apart, whatever they look like', async (world) => {
    const keys = ['k', 'k!', 'k=', '=', 'kk', '1=k', 'x'.repeat(200)];
    await world.enqueue(...keys.flatMap((key, n) => [keyed(`${n}a`, 1, {}, key), keyed(`${n}b`, 1, {}, key)]));
    const consumer = await world.consumer();
    assert.deepEqual(
      await consumer.takeIds(),
      keys.map((_, n) => `${n}a`),
    );
    assert.deepEqual(idsOf(await consumer.step({ completions: [done('0a'), done('3a')], chunks: 1, chunkSize: 9 })), ['0b', '3b']);
  });

  check('gives a slot to the next one in whichever way the one that has it goes', async (world) => {
    const ways: Record<string, (consumer: Consumer) => Promise<unknown>> = {
      settled: (consumer) => consumer.settle('settled'),
      failed: (consumer) => consumer.settle('failed', {}, 'failed', '{}'),
      buried: (consumer) =>
        consumer.move({
          kind: 'bury',
          id: 'buried',
          text: keyed('buried', 1),
          reason: 'x',
          record: encodeRecord('dead', '{}'),
          ttlSeconds: 10,
        }),
      again: (consumer) => consumer.move({ kind: 'requeue', id: 'again', text: keyed('again', 1), delayMs: 0, at: 'tail' }),
      later: (consumer) => consumer.move({ kind: 'requeue', id: 'later', text: keyed('later', 1), delayMs: 60_000, at: 'tail' }),
    };
    await world.enqueue(...Object.keys(ways).map((id) => keyed(id, 1)), keyed('last', 1));
    const consumer = await world.consumer();
    for (const [id, leave] of Object.entries(ways)) {
      assert.deepEqual(await drain(consumer), [id]);
      await leave(consumer);
    }
    assert.deepEqual(await drain(consumer), ['last']);
    await consumer.finish('last');
    assert.deepEqual(await drain(consumer), ['again']);
  });

  for (const priority of [0, 7, -7]) {
    check(`lets what is given back go before those that waited behind it, at priority ${priority}`, async (world) => {
      await world.enqueue(...['a', 'b', 'c', 'd'].map((id) => keyed(id, 2, { priority })));
      const consumer = await world.consumer();
      assert.deepEqual(await drain(consumer), ['a', 'b']);
      assert.equal(await world.storage.release('c1', ['a', 'b']), 2);
      assert.equal(await world.storage.release('c1', ['a', 'b']), 0);
      assert.deepEqual(await drain(consumer), ['a', 'b']);
      await consumer.move({ kind: 'requeue', id: 'a', text: keyed('a', 2, { priority }), delayMs: 0, at: 'head' });
      assert.deepEqual(await drain(consumer), ['a']);
      await consumer.finish('b');
      assert.deepEqual(await drain(consumer), ['c']);
      await world.storage.unregister('c1');
      const next = await world.consumer('c2');
      assert.deepEqual(await drain(next), ['a', 'c']);
      await next.finish('a', 'c');
      assert.deepEqual(await drain(next), ['d']);
    });
  }

  check('frees the slots of a consumer that died, with its tasks', async (world) => {
    await world.enqueue(...['a', 'b', 'c'].map((id) => keyed(id, 1)));
    const dying = await world.consumer('dying', world.storage, LEASE_MS);
    assert.deepEqual(await drain(dying), ['a']);
    const living = await world.consumer('living');
    await world.until(async () => {
      await world.storage.beat('living', 60_000);
      return (await world.storage.reap(LEASE_MS)).consumers.length > 0;
    });
    assert.deepEqual(await drain(living), ['a']);
    await living.finish('a');
    assert.deepEqual(await drain(living), ['b']);
  });

  check('frees the slots of the consumer whose instance starts anew', async (world) => {
    await world.enqueue(...['a', 'b'].map((id) => keyed(id, 1)));
    await world.storage.register('old', 60_000, { name: 'i', takeOver: true });
    assert.deepEqual(await drain(new Consumer(world.storage, 'old')), ['a']);
    await world.storage.register('new', 60_000, { name: 'i', takeOver: true });
    const consumer = new Consumer(world.storage, 'new');
    assert.deepEqual(await drain(consumer), ['a']);
    await consumer.finish('a');
    assert.deepEqual(await drain(consumer), ['b']);
  });

  check('parks what must run alone like the others', async (world) => {
    await world.enqueue(keyed('a', 1), keyed('b', 1, { lapses: 2 }), keyed('c', 1));
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['a']);
    assert.equal(await consumer.takeSolo(), undefined);
    await consumer.finish('a');
    const { solo, chunks } = await consumer.step({ chunks: 1, chunkSize: 9, solo: true });
    assert.deepEqual([chunks.length, solo === undefined], [1, true], 'c was parked first');
    await consumer.finish('c');
    assert.equal(idOf((await consumer.takeSolo()) ?? ''), 'b');
  });

  check('frees and leases once, however often a call is repeated', async (world) => {
    await world.enqueue(...['a', 'b', 'c', 'd'].map((id) => keyed(id, 1)));
    const consumer = await world.consumer();
    const first = consumer.call({ chunks: 1, chunkSize: 9 });
    for (let n = 0; n < 2; n++) assert.deepEqual(idsOf(await world.storage.step(first)), ['a']);
    const call = consumer.call({ completions: [done('a')], chunks: 1, chunkSize: 9 });
    for (let n = 0; n < 3; n++) assert.deepEqual(idsOf(await world.storage.step(call)), ['b']);
    const refused = await consumer.step({ completions: [done('a')], chunks: 1, chunkSize: 9 });
    assert.deepEqual([idsOf(refused), refused.refused], [[], 1]);
    const end = consumer.call({ completions: [done('b')] });
    for (let n = 0; n < 2; n++) await world.storage.step(end);
    assert.deepEqual(await drain(consumer), ['c']);
  });

  check('wakes a consumer that waits for what another one frees', async (world) => {
    await world.enqueue(keyed('a', 1), keyed('b', 1));
    const one = await world.consumer('c1');
    assert.deepEqual(await drain(one), ['a']);
    const storage = await world.fixture.another();
    const two = await world.consumer('c2', storage);
    const waiting = storage.waitAndStep(two.call({ chunks: 1, chunkSize: 9 }), 30_000);
    await one.finish('a');
    assert.deepEqual(idsOf(await waiting), ['b']);
  });

  check('prefers higher priorities among those that wait for a key', async (world) => {
    await world.enqueue(keyed('first', 1));
    const consumer = await world.consumer();
    await consumer.takeIds();
    await world.enqueue(keyed('lo1', 1, { priority: -1 }), keyed('a1', 1), keyed('hi1', 1, { priority: 5 }));
    assert.deepEqual(await drain(consumer), []);
    await world.enqueue(keyed('lo2', 1, { priority: -1 }), keyed('a2', 1), keyed('hi2', 1, { priority: 5 }));
    const order: string[] = [];
    for (let last = 'first'; order.length < 6;) {
      await drain(consumer);
      const reply = await consumer.step({ completions: [done(last)], chunks: 1, chunkSize: 9 });
      [last = ''] = idsOf(reply);
      order.push(last);
    }
    assert.deepEqual(order, ['hi1', 'hi2', 'a1', 'a2', 'lo1', 'lo2']);
  });

  check('keeps its turn for one that is overtaken when it was freed', async (world) => {
    await world.enqueue(...['a', 'b', 'c'].map((id) => keyed(id, 1)));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    await consumer.finish('a');
    await world.enqueue(keyed('hi', 1, { priority: 1 }));
    assert.deepEqual(await drain(consumer), ['hi']);
    await consumer.finish('hi');
    assert.deepEqual(await drain(consumer), ['b']);
  });

  check('drops what was revoked or has expired when its turn comes, and frees the next', async (world) => {
    const expiresAt = (await world.now()) + 200;
    await world.enqueue(
      keyed('a', 1),
      keyed('revoked', 1),
      keyed('expired', 1, { expiresAt }),
      keyed('linked', 1, { linked: true }),
      keyed('b', 1),
    );
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    for (const id of ['revoked', 'linked']) await world.storage.revoke({ id }, { once: true, untilMs: 0 });
    await world.until(async () => (await world.now()) > expiresAt);
    assert.deepEqual((await world.readyIds()).sort(), ['b', 'expired', 'linked', 'revoked']);
    await consumer.finish('a');
    const dropped: string[] = [];
    const taken: string[] = [];
    await world.until(async () => {
      const reply = await consumer.take();
      dropped.push(...reply.dropped.map(({ id, state }) => `${id} ${state}`));
      taken.push(...idsOf(reply));
      return taken.length > 0;
    });
    assert.deepEqual(dropped, ['revoked revoked', 'expired expired', 'linked revoked']);
    assert.deepEqual(taken, ['b'], 'what is only handed over to be settled has no slot');
    await consumer.settle('linked', {}, 'revoked', '');
    await world.enqueue(keyed('c', 1));
    assert.deepEqual(await drain(consumer), [], 'b has the slot');
  });

  check('cancels one that is parked, one that was freed, and one that runs', async (world) => {
    await world.enqueue(...['a', 'b', 'c', 'd', 'e', 'f'].map((id) => keyed(id, 1)));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    assert.equal(await endWaiting(world.storage, 'c'), true);
    assert.equal(await world.storage.findWaiting('c'), undefined);
    assert.equal(await world.storage.cancel('d'), 'waiting');
    assert.equal(await world.storage.cancel('a'), 'running');
    await consumer.settle('a', {}, 'canceled', '');
    assert.equal(await endWaiting(world.storage, 'b'), true, 'it was freed, and waits to be leased');
    const reply = await consumer.take();
    assert.deepEqual(
      reply.dropped.map(({ id, state }) => `${id} ${state}`),
      ['d canceled'],
    );
    assert.deepEqual([...idsOf(reply), ...(await drain(consumer))], ['e']);
    await consumer.settle('d', {}, 'canceled', '');
    assert.deepEqual(await drain(consumer), [], 'd had no slot to free');
    await consumer.finish('e');
    assert.deepEqual(await drain(consumer), ['f']);
  });

  check('ends one that is parked once, and not when it has moved on', async (world) => {
    await world.enqueue(keyed('a', 1), keyed('b', 1));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    const found = await world.storage.findWaiting('b');
    assert.ok(found !== undefined);
    await consumer.finish('a');
    assert.deepEqual(await drain(consumer), ['b']);
    assert.equal(await world.storage.endWaiting(found, { kind: 'settle', id: 'b', record: GONE, ttlSeconds: 10 }), false);
    assert.equal(await world.record('b'), undefined);
  });

  check('counts with the limit that came last, for those that wait too', async (world) => {
    await world.enqueue(...['a', 'b', 'c', 'd', 'e'].map((id) => keyed(id, 1)));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    await world.enqueue(keyed('x', 3), keyed('y', 3));
    assert.deepEqual(await drain(consumer), ['x', 'y']);
    assert.deepEqual(idsOf(await consumer.step({ completions: [done('x')], chunks: 1, chunkSize: 9 })), ['b']);
    assert.deepEqual(idsOf(await consumer.step({ completions: [done('y')], chunks: 1, chunkSize: 9 })), ['c']);
    await world.enqueue(keyed('z', 1));
    assert.deepEqual(await drain(consumer), []);
    for (const id of ['a', 'b']) {
      await consumer.finish(id);
      assert.deepEqual(await drain(consumer), [], `${id} frees nobody: there is one slot by now`);
    }
    await consumer.finish('c');
    assert.deepEqual(await drain(consumer), ['d']);
  });

  check('lists and counts those that are parked as ready, and a flush forgets them', async (world) => {
    await world.enqueue(keyed('a', 1), keyed('b', 1), keyed('c', 1), message('x'));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a', 'x']);
    await world.enqueue(message('y'));
    assert.deepEqual(await world.readyIds(), ['y', 'b', 'c']);
    assert.deepEqual(
      (await world.storage.list('ready', 2)).map(({ text }) => idOf(text)),
      ['y', 'b'],
    );
    assert.equal((await world.storage.counts()).ready, 3);
    await world.storage.flush();
    assert.deepEqual(await world.readyIds(), []);
    await world.enqueue(keyed('d', 1), keyed('e', 1));
    assert.deepEqual(await drain(consumer), [], 'a is in flight still');
    await consumer.finish('a');
    assert.deepEqual(await drain(consumer), ['d']);
    await consumer.finish('d');
    assert.deepEqual(await drain(consumer), ['e']);
  });

  check('forgets who was freed with a flush', async (world) => {
    await world.enqueue(keyed('a', 1), keyed('b', 1));
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    await consumer.finish('a');
    await world.storage.flush();
    await world.enqueue(keyed('b', 2), keyed('c', 2), keyed('d', 2));
    assert.deepEqual(await drain(consumer), ['b', 'c']);
  });

  check('takes a slot for a dead one that is retried, for what is scheduled, and for what follows an end', async (world) => {
    await world.enqueue(keyed('a', 1));
    await world.storage.enqueue([{ text: keyed('later', 1), delayMs: 1 }]);
    const consumer = await world.consumer();
    assert.deepEqual(await drain(consumer), ['a']);
    await world.until(async () => (await world.storage.promote(10)).promoted > 0);
    await consumer.move({ kind: 'bury', id: 'a', text: keyed('a', 1), reason: 'x', record: encodeRecord('dead', '{}'), ttlSeconds: 10 });
    assert.deepEqual(await drain(consumer), ['later']);
    assert.equal(await world.storage.retryDead('a'), true);
    assert.deepEqual(await drain(consumer), []);
    await consumer.settle('later', { enqueue: [{ text: keyed('next', 1) }] });
    assert.deepEqual(await drain(consumer), ['a']);
    await consumer.finish('a');
    assert.deepEqual(await drain(consumer), ['next']);
  });

  check('makes the expiry of a keyed message absolute, and keeps its key', async (world) => {
    const before = await world.now();
    await world.enqueue(keyed('a', 1, { expiresAt: 60_000, expiryIsRelative: true, linked: true }));
    const consumer = await world.consumer();
    const [text = ''] = (await consumer.take()).chunks.map((chunk) => chunk.text);
    assert.ok(Number(text.slice(25, 38)) >= before + 60_000);
    assert.equal(text.slice(38), keyed('a', 1).slice(38));
  });

  check('refuses a message that says it is keyed and is not', async (world) => {
    const good = keyed('a', 1);
    for (const slot of ['', '=k ', '0=k ', '1= ', '1=k', '99999=k ', 'x=k ', `1=${'k'.repeat(201)} `]) {
      const text = good.replace('a 1=k ', `a ${slot}`);
      await assert.rejects(world.storage.enqueue([{ text }]), MalformedMessage, slot);
    }
    assert.deepEqual(await world.readyIds(), []);
  });
}

function keyed(id: string, limit: number, head: Partial<Head> = {}, key = 'k'): string {
  return message(id, { slot: { key, limit }, ...head });
}

/** Takes until nothing is left: a consumer gets its fair share of what is there with each step. */
async function drain(consumer: Consumer): Promise<string[]> {
  const ids: string[] = [];
  for (let reply: StepReply | undefined; reply === undefined || reply.left > 0;) {
    reply = await consumer.take();
    ids.push(...idsOf(reply));
  }
  return ids;
}

async function endWaiting(storage: Storage, id: string): Promise<boolean> {
  assert.equal(await storage.cancel(id), 'waiting');
  const found = await storage.findWaiting(id);
  assert.ok(found !== undefined);
  return storage.endWaiting(found, { kind: 'settle', id, record: GONE, ttlSeconds: 10 });
}
