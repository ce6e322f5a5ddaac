/** A consumer's life: registering, heartbeats, what it holds, leaving in good order. */
import assert from 'node:assert/strict';
import { ConsumerReaped, HueyException } from '../../src/runtime/errors.js';
import type { Checks } from './conformance.js';
import { done, items, message } from './world.js';

export function describeConsumers({ check }: Checks): void {
  check('may register again and keeps what it holds', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    await consumer.take();
    const { now } = await world.storage.register('c1', 60_000);
    assert.ok(Math.abs(now - (await world.now())) < 5000);
    assert.deepEqual((await world.storage.heldIds('c1')).sort(), ['a', 'b']);
    assert.equal((await world.storage.counts()).consumers, 1);
    assert.equal((await consumer.finish('a')).committed, 1);
  });

  check('is told at a heartbeat how many tasks it holds', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c']));
    const consumer = await world.consumer();
    assert.equal((await world.storage.beat('c1', 60_000)).held, 0);
    await consumer.take(2);
    const { held, landing } = await world.storage.beat('c1', 60_000);
    assert.deepEqual({ held, landing }, { held: 2, landing: 0 });
    await consumer.finish('a');
    assert.equal((await world.storage.beat('c1', 60_000)).held, 1);
    assert.deepEqual(await world.storage.heldIds('nobody'), []);
  });

  check('has no heartbeat before it is registered', async (world) => {
    await assert.rejects(world.storage.beat('nobody', 60_000), ConsumerReaped);
    assert.equal((await world.storage.counts()).consumers, 0);
  });

  check('gives back by id what it holds, uncharged, to the head, in the order of the ids', async (world) => {
    await world.storage.enqueue(items(['a', 'b', 'c', 'd', 'e']));
    const consumer = await world.consumer();
    await consumer.take(4);
    assert.equal(await world.storage.release('c1', ['b', 'unheard', 'c']), 2);
    assert.equal(await world.storage.release('c1', ['b', 'unheard', 'c']), 0);
    assert.deepEqual((await world.storage.heldIds('c1')).sort(), ['a', 'd']);
    const { ready, running } = await world.storage.counts();
    assert.deepEqual({ ready, running }, { ready: 3, running: 2 });
    const { committed, refused } = await consumer.finish('a', 'b');
    assert.deepEqual({ committed, refused }, { committed: 1, refused: 1 });
    assert.deepEqual(
      await consumer.takeTexts(),
      ['b', 'c', 'e'].map((id) => message(id)),
    );
  });

  check('gives back nothing of what another holds, or of an unknown consumer', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const holder = await world.consumer('holder');
    await holder.take();
    await world.consumer('other');
    assert.equal(await world.storage.release('other', ['a']), 0);
    assert.equal(await world.storage.release('nobody', ['a']), 0);
    assert.equal(await world.storage.release('holder', []), 0);
    assert.equal((await holder.finish('a', 'b')).committed, 2);
  });

  check('gives a suspect and a priority back to where they were', async (world) => {
    await world.enqueue(message('s', { lapses: 2 }), message('h', { priority: 1 }), message('h2', { priority: 1 }));
    const consumer = await world.consumer();
    await consumer.step({ chunks: 1, chunkSize: 1, solo: true });
    assert.equal(await world.storage.release('c1', ['s', 'h']), 2);
    assert.deepEqual(await consumer.takeIds(), ['h', 'h2']);
    assert.equal(await consumer.takeSolo(), message('s', { lapses: 2 }));
  });

  check('gives everything back when it leaves, uncharged, to the head, in order', async (world) => {
    const texts = [message('a'), message('b', { attempts: 1 }), message('c')];
    await world.enqueue(...texts, message('h', { priority: 3 }), message('l', { priority: -3 }), message('s', { lapses: 2 }));
    const consumer = await world.consumer();
    await consumer.step({ chunks: 1, chunkSize: 9, solo: true });
    await world.enqueue(message('x'), message('h2', { priority: 3 }), message('l2', { priority: -3 }), message('s2', { lapses: 2 }));
    for (let n = 0; n < 2; n++) await world.storage.unregister('c1');
    const { ready, running, consumers } = await world.storage.counts();
    assert.deepEqual({ ready, running, consumers }, { ready: 10, running: 0, consumers: 0 });
    const next = await world.consumer('c2');
    const expected = [message('h', { priority: 3 }), message('h2', { priority: 3 }), ...texts, message('x')];
    const low = [message('l', { priority: -3 }), message('l2', { priority: -3 })];
    assert.deepEqual(await next.takeTexts(), [...expected, ...low]);
    assert.equal(await next.takeSolo(), message('s', { lapses: 2 }));
    assert.equal(await next.takeSolo(), message('s2', { lapses: 2 }));
  });

  check('can do nothing after it has left', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    await world.storage.unregister('c1');
    await assert.rejects(consumer.step({ completions: [done('a')] }), ConsumerReaped);
    await assert.rejects(world.storage.beat('c1', 60_000), ConsumerReaped);
    assert.equal(await world.record('a'), undefined);
    assert.equal((await world.storage.counts()).ready, 1);
  });

  check('numbers its calls anew in a new life', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    await consumer.step();
    await world.storage.unregister('c1');
    const anew = await world.consumer('c1');
    assert.deepEqual(await anew.takeIds(), ['a']);
  });

  check('refuses a lease that is no time', async (world) => {
    for (const leaseMs of [0, -1, NaN, Infinity]) {
      await assert.rejects(world.storage.register('c1', leaseMs), HueyException);
      await assert.rejects(world.storage.reap(leaseMs), HueyException);
    }
    assert.equal((await world.storage.counts()).consumers, 0);
  });
}
