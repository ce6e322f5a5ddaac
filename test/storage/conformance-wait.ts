/** Waiting for something to take: what ends the wait, and that nothing is lost by it. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeRecord } from '../../src/runtime/completion.js';
import { ConsumerReaped } from '../../src/runtime/errors.js';
import { idOf } from '../../src/runtime/message.js';
import type { StepCall, StepReply, Transition } from '../../src/runtime/storage.js';
import type { Checks } from './conformance.js';
import { done, idsOf, items, LEASE_MS, message, type Consumer, type World } from './world.js';

/** Longer than a test may take: a wait that ends by its time fails its test. */
const LONG_MS = 50_000;

export function describeWait({ check }: Checks): void {
  check('answers at once where something is ready', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    assert.deepEqual(idsOf(await wait(consumer)), ['a', 'b']);
  });

  /** Each prepares, and gives what makes `a` ready. */
  const wakers: Record<string, (world: World) => Promise<() => Promise<unknown>>> = {
    'an enqueue': async (world) => () => world.enqueue(message('a')),
    'an enqueue of higher priority': async (world) => () => world.enqueue(message('a', { priority: 5 })),
    'an enqueue of lower priority': async (world) => () => world.enqueue(message('a', { priority: -5 })),
    'an enqueue by another process': async (world) => {
      const other = await world.fixture.another();
      return () => other.enqueue(items(['a']));
    },
    'a tick': async (world) => () => world.storage.tick({ task: 't', minuteMs: 60_000, text: message('a') }),
    'a promotion': async (world) => {
      await world.storage.enqueue([{ text: message('a'), delayMs: 50 }]);
      return () => world.until(async () => (await world.storage.promote(10)).promoted === 1);
    },
    'a retry by another consumer': async (world) => {
      const other = await holderOfA(world);
      return () => other.move({ kind: 'requeue', id: 'a', text: message('a'), delayMs: 0, at: 'tail' });
    },
    'what follows the end of another task': async (world) => {
      const other = await holderOfA(world, 'parent');
      const next: Transition = {
        kind: 'settle',
        id: 'parent',
        record: encodeRecord('done', ''),
        ttlSeconds: 9,
        effects: { enqueue: items(['a']) },
      };
      return () => other.move(next);
    },
    'a consumer that gives back': async (world) => {
      const other = await holderOfA(world);
      return () => other.storage.release(other.id, ['a']);
    },
    'a consumer that leaves': async (world) => {
      const other = await holderOfA(world);
      return () => other.storage.unregister(other.id);
    },
  };
  for (const [what, prepare] of Object.entries(wakers)) {
    check(`is ended by ${what}`, async (world) => {
      const wake = await prepare(world);
      const waiting = await begunWait(await world.consumer());
      await wake();
      assert.deepEqual(idsOf(await waiting.ended), ['a']);
    });
  }

  check('is ended by a suspect, for who takes one', async (world) => {
    const waiting = await begunWait(await world.consumer(), { solo: true });
    await world.enqueue(message('s', { lapses: 2 }));
    const { solo } = await waiting.ended;
    assert.equal(idOf(solo ?? ''), 's');
  });

  check('ends after its time, with nothing', async (world) => {
    const consumer = await world.consumer();
    const startedAt = performance.now();
    const reply = await wait(consumer, {}, 150);
    assert.ok(performance.now() - startedAt > 140, 'it waited');
    assert.deepEqual([reply.chunks, reply.left, await world.held()], [[], 0, 0]);
  });

  check('does not wait where the time is 0', async (world) => {
    assert.deepEqual((await wait(await world.consumer(), {}, 0)).chunks, []);
  });

  check('is ended early by an interrupt, and the next one waits again', async (world) => {
    const consumer = await world.consumer();
    world.storage.interrupt();
    for (let n = 0; n < 2; n++) {
      const waiting = await begunWait(consumer);
      world.storage.interrupt();
      assert.deepEqual((await waiting.ended).chunks, []);
    }
    const last = await begunWait(consumer);
    await world.enqueue(message('a'));
    assert.deepEqual(idsOf(await last.ended), ['a']);
  });

  check('commits what came with the call, and takes', async (world) => {
    await world.storage.enqueue(items(['a', 'b']));
    const consumer = await world.consumer();
    await consumer.take(1);
    const reply = await wait(consumer, { completions: [done('a')] });
    assert.deepEqual([reply.committed, idsOf(reply)], [1, ['b']]);
    const last = await wait(consumer, { completions: [done('b')] }, 50);
    assert.equal(last.committed, 1);
    assert.deepEqual(await world.record('b'), ['done', '1']);
  });

  check('can be repeated like a step', async (world) => {
    const consumer = await world.consumer();
    await world.storage.enqueue(items(['a', 'b', 'c']));
    const call = consumer.call({ chunks: 1, chunkSize: 2 });
    const reply = await world.storage.waitAndStep(call, LONG_MS);
    const again = await world.storage.step(call);
    assert.deepEqual(again.chunks, reply.chunks);
    assert.equal((await world.storage.counts()).running, idsOf(reply).length);
  });

  check('shares between two that wait', async (world) => {
    const consumers = [await world.consumer('c1'), await world.consumer('c2', await world.fixture.another())] as const;
    // The first wait makes a connection, which may take longer than it takes the other one to have taken both.
    for (const consumer of consumers) await wait(consumer, {}, 1);
    const [first, second] = await Promise.all([begunWait(consumers[0]), begunWait(consumers[1])]);
    await world.storage.enqueue(items(['a', 'b']));
    const taken = (await Promise.all([first.ended, second.ended])).map(idsOf);
    assert.deepEqual(taken.flat().sort(), ['a', 'b']);
    assert.ok(taken.every((ids) => ids.length === 1));
  });

  check('refuses a consumer that is not registered, and keeps what is ready for others', async (world) => {
    await world.enqueue(message('a'));
    const call = { consumer: 'nobody', lane: 0, seq: 1, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false };
    await assert.rejects(world.storage.waitAndStep(call, LONG_MS), ConsumerReaped);
    const consumer = await world.consumer();
    assert.deepEqual(await takenBy(world, consumer), ['a']);
  });

  check('does not take for a consumer that was reaped while it waited', async (world) => {
    const other = await world.fixture.another();
    const stale = await world.consumer('stale', other, LEASE_MS);
    const alive = await world.consumer('alive', world.storage, LEASE_MS);
    const waiting = await begunWait(stale);
    const refused = assert.rejects(waiting.ended, ConsumerReaped);
    await world.until(async () => {
      await world.storage.beat('alive', LEASE_MS);
      return (await world.storage.reap(LEASE_MS)).consumers.includes('stale');
    });
    await world.enqueue(message('a'));
    assert.deepEqual(await takenBy(world, alive), ['a']);
    other.interrupt();
    await refused;
  });

  check('takes nothing any more after its storage was closed', async (world) => {
    const gone = await world.fixture.another();
    const waiting = await begunWait(await world.consumer('gone', gone));
    const refused = assert.rejects(waiting.ended);
    await gone.close();
    await refused;
    const consumer = await world.consumer('c2');
    await world.enqueue(message('a'));
    assert.deepEqual(await takenBy(world, consumer), ['a']);
  });
}

function wait(consumer: Consumer, parts: Partial<StepCall> = {}, waitMs = LONG_MS): Promise<StepReply> {
  return consumer.storage.waitAndStep(consumer.call({ chunks: 1, chunkSize: 10, ...parts }), waitMs);
}

/** A wait that has most likely begun. Nothing tells when it has; a test that comes too early passes all the same. */
async function begunWait(consumer: Consumer, parts: Partial<StepCall> = {}): Promise<{ ended: Promise<StepReply> }> {
  const ended = wait(consumer, parts);
  await sleep(40);
  return { ended };
}

async function holderOfA(world: World, id = 'a'): Promise<Consumer> {
  await world.enqueue(message(id));
  const other = await world.consumer('other', await world.fixture.another());
  assert.deepEqual(await other.takeIds(), [id]);
  return other;
}

function takenBy(world: World, consumer: Consumer): Promise<string[]> {
  return world.until(async () => {
    const ids = await consumer.takeIds();
    return ids.length > 0 && ids;
  });
}
