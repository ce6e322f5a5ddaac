/** A consumer with a name: whoever starts under the name of a dead one follows it at once. */
import assert from 'node:assert/strict';
import { ConfigurationError, ConsumerReaped, InstanceTaken } from '../../src/runtime/errors.js';
import type { Storage } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { Consumer, done, headsOf, items, LEASE_MS, message, type World } from './world.js';

const LONG_MS = 60_000;

export function describeInstance({ check }: Checks): void {
  check('gives back what the one before held, at once, to the head, in order, charged with a lapse', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c', 'd']));
    const first = await enter(world, 'first');
    await first.take(3);
    await first.finish('b');
    const { former } = await world.storage.register('second', LONG_MS, { name: 'web-0', takeOver: true });
    assert.deepEqual(former, { consumer: 'first', tasks: 2 });
    const second = new Consumer(world.storage, 'second');
    assert.deepEqual(
      headsOf(await second.take()).map(({ id, lapses, deaths }) => [id, lapses, deaths]),
      [
        ['a', 1, 0],
        ['c', 1, 0],
        ['d', 0, 0],
      ],
    );
    assert.equal((await world.storage.counts()).consumers, 1);
  });

  check('charges a death to a suspect, which ran alone', async (world) => {
    await world.enqueue(message('s', { lapses: 2 }));
    const first = await enter(world, 'first');
    await first.takeSolo();
    const second = await enter(world, 'second');
    const text = await second.takeSolo();
    assert.equal(text, message('s', { lapses: 3, deaths: 1 }));
  });

  check('keeps the one before out, if it still lives', async (world) => {
    await world.enqueue(message('a'));
    const first = await enter(world, 'first');
    await first.take();
    const second = await enter(world, 'second');
    await assert.rejects(world.storage.beat('first', LONG_MS), ConsumerReaped);
    await assert.rejects(first.step({ completions: [done('a', '"late"')] }), ConsumerReaped);
    assert.equal(await world.record('a'), undefined);
    assert.deepEqual(await second.takeIds(), ['a']);
    assert.equal((await second.finish('a')).committed, 1);
  });

  check('refuses the one before where it would come back without taking over, and changes nothing', async (world) => {
    await world.enqueue(message('a'));
    await enter(world, 'first');
    const second = await enter(world, 'second');
    await second.take();
    const again = world.storage.register('first-anew', LONG_MS, { name: 'web-0', takeOver: false });
    await assert.rejects(again, (error) => error instanceof InstanceTaken && error.instance === 'web-0' && error.code === 'instance-taken');
    assert.equal((await world.storage.counts()).consumers, 1);
    assert.equal((await second.finish('a')).committed, 1);
  });

  check('may be registered again by the same consumer, without a second effect', async (world) => {
    await world.enqueue(message('a'));
    const first = await enter(world, 'first');
    await first.take();
    for (const takeOver of [true, false]) {
      assert.equal((await world.storage.register('first', LONG_MS, { name: 'web-0', takeOver })).former, undefined);
    }
    assert.deepEqual(await world.storage.heldIds('first'), ['a']);
  });

  check('is free again when its consumer has left', async (world) => {
    await enter(world, 'first');
    await world.storage.unregister('first');
    const { former } = await world.storage.register('second', LONG_MS, { name: 'web-0', takeOver: false });
    assert.equal(former, undefined);
  });

  check('is free again when its consumer was reaped', async (world) => {
    await world.storage.register('silent', LEASE_MS, { name: 'web-0', takeOver: true });
    await world.storage.register('voice', LEASE_MS);
    await world.until(async () => {
      await world.storage.beat('voice', LEASE_MS);
      return (await world.storage.reap(LEASE_MS)).consumers.includes('silent');
    });
    const { former } = await world.storage.register('second', LONG_MS, { name: 'web-0', takeOver: false });
    assert.equal(former, undefined);
  });

  check('leaves consumers of other names, or of none, alone', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c']));
    const nameless = await world.consumer('nameless');
    const other = await enter(world, 'other', 'web-1');
    const first = await enter(world, 'first', 'web-0');
    for (const one of [nameless, other, first]) await one.take(1);
    await enter(world, 'second', 'web-0');
    assert.deepEqual(await world.storage.heldIds('first'), []);
    for (const id of ['nameless', 'other']) assert.equal((await world.storage.heldIds(id)).length, 1, id);
  });

  check('is seen by every process, and wakes who waits for the tasks', async (world) => {
    await world.enqueue(message('a'));
    const first = await enter(world, 'first');
    await first.take();
    const elsewhere = await world.fixture.another();
    const waiting = await enter(world, 'waiting', 'web-7', elsewhere);
    const waited = elsewhere.waitAndStep(waiting.call({ chunks: 1, chunkSize: 9 }), 20_000);
    assert.equal((await world.storage.register('second', LONG_MS, { name: 'web-0', takeOver: true })).former?.tasks, 1);
    assert.deepEqual(
      headsOf(await waited).map(({ id }) => id),
      ['a'],
    );
  });

  check('outlives a flush of the queue', async (world) => {
    await enter(world, 'first');
    await world.storage.flush();
    assert.equal((await world.storage.register('second', LONG_MS, { name: 'web-0', takeOver: true })).former?.consumer, 'first');
  });

  check('has a name without blanks and of a sensible length', async (world) => {
    for (const name of ['', 'a b', 'a\nb', 'x'.repeat(201), 'ä']) {
      await assert.rejects(world.storage.register('c1', LONG_MS, { name, takeOver: true }), ConfigurationError, JSON.stringify(name));
    }
    assert.equal((await world.storage.counts()).consumers, 0);
  });
}

async function enter(world: World, consumer: string, name = 'web-0', storage: Storage = world.storage): Promise<Consumer> {
  await storage.register(consumer, LONG_MS, { name, takeOver: true });
  return new Consumer(storage, consumer);
}
