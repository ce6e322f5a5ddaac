import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Dispatcher } from '../../src/actors/dispatcher.js';
import { StepCalls } from '../../src/actors/step-calls.js';
import { encodeCompletion } from '../../src/runtime/completion.js';
import type { Outcome } from '../../src/runtime/lifecycle.js';
import { CHUNK_START } from '../../src/runtime/limits.js';
import { decodeHead, encodeMessage, SEPARATOR, type Head } from '../../src/runtime/message.js';
import { PLAIN_CODEC } from '../../src/runtime/payload-codec.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { poll } from '../support/poll.js';
import { FakePlace } from './fake-place.js';

const HEAD = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

interface World {
  storage: MemoryStorage;
  dispatcher: Dispatcher;
  told: { id: string; outcome: Outcome['kind'] }[];
  refused: number[];
  faults: string[];
  place: () => FakePlace;
  enqueue: (...ids: (string | Partial<Head>)[]) => Promise<void>;
}

async function open(t: TestContext): Promise<World> {
  const storage = new MemoryStorage('q');
  await storage.register('c', 60_000);
  const world: Pick<World, 'told' | 'refused' | 'faults'> = { told: [], refused: [], faults: [] };
  const dispatcher = new Dispatcher(
    new StepCalls(storage, 'c', () => undefined),
    () => storage.interrupt(),
    {
      resultTtlMs: 60_000,
      graceMs: () => 50,
      exclusive: new Set(),
      limits: new Map(),
      observe: () => false,
      signals: new Set(),
      intermediateErrors: false,
      codec: PLAIN_CODEC,
    },
    {
      onDecision: (message, _, outcome) => world.told.push({ id: message?.head.id ?? '', outcome: outcome.kind }),
      onDropped: () => undefined,
      onRefused: (count) => world.refused.push(count),
      onSignals: () => undefined,
      onReaped: () => world.faults.push(`reaped with ${[...dispatcher.heldIds()].join(' ')}`.trim()),
      onFault: (error) => world.faults.push(error.message),
    },
  );
  t.after(() => {
    dispatcher.end();
    storage.interrupt();
  });
  return {
    ...world,
    storage,
    dispatcher,
    place() {
      const place = new FakePlace();
      dispatcher.add(place.place);
      return place;
    },
    async enqueue(...ids) {
      const heads = ids.map((id) => (typeof id === 'string' ? { ...HEAD, id } : { ...HEAD, id: 'x', ...id }));
      await storage.enqueue(heads.map((head) => ({ text: encodeMessage(head, '{"args":[],"at":1}') })));
    },
  };
}

/** Heads of what is in flight of nobody, as the next consumer finds them. */
async function readyHeads(storage: MemoryStorage): Promise<Head[]> {
  await storage.register('looker', 60_000);
  const texts: string[] = [];
  const call = { consumer: 'looker', lane: 0, completions: [], transitions: [], chunks: 1, chunkSize: 1000, solo: true };
  // Each time at most a fair share.
  for (let seq = 1, left = 1; left > 0; seq++) {
    const reply = await storage.step({ ...call, seq });
    left = reply.left;
    texts.push(...reply.chunks.flatMap(({ text }) => text.split(SEPARATOR)));
    if (reply.solo !== undefined) texts.push(reply.solo);
  }
  return texts.map((text) => decodeHead(text));
}

describe('the dispatcher', () => {
  it('brings tasks to a place, and what came of them to the storage', async (t) => {
    const { storage, dispatcher, enqueue, place } = await open(t);
    await enqueue('a', 'b');
    const one = place();
    await poll('the tasks', () => one.ids().length === 2);
    assert.deepEqual([...dispatcher.heldIds()].sort(), ['a', 'b']);
    for (const id of ['a', 'b']) assert.ok(one.claim(id) && one.complete(id));
    for (const lane of one.lanes) if (lane.busy) dispatcher.chunkEnded(one.place, lane);
    await poll('the records', async () => (await storage.readResults(['a', 'b'])).every((record) => record?.state === 'done'));
    assert.equal((await storage.counts()).running, 0);
  });

  it('waits for work, and gets it as soon as it comes', async (t) => {
    const { enqueue, place } = await open(t);
    const one = place();
    const posted = new Promise<void>((resolve) => {
      one.onPost = resolve;
    });
    await enqueue('a');
    await posted;
    assert.deepEqual(one.ids(), ['a']);
  });

  it('hands on results that are ready while a slow task still holds their chunk', async (t) => {
    const { storage, enqueue, place } = await open(t);
    await enqueue('a', 'b');
    const one = place();
    await poll('the tasks', () => one.ids().length === 2);
    one.claim('a');
    one.complete('a');
    one.claim('b');
    await poll('the record', async () => (await storage.readResults(['a']))[0]?.state === 'done');
    assert.equal(one.at('b').lane.busy, true);
  });

  it('takes a chunk that was taken back for no quick one', async (t) => {
    const { dispatcher, enqueue, place } = await open(t);
    await enqueue(...Array.from({ length: 10 * CHUNK_START }, (_, n) => `t${n}`));
    const one = place();
    const [lane, behind] = one.lanes;
    assert.ok(lane && behind);
    await poll('two chunks', () => lane.busy && behind.busy);
    one.claim('t0');
    assert.equal(behind.takeBack().length, behind.count);
    dispatcher.chunkEnded(one.place, behind);
    await poll('the next chunk', () => behind.busy);
    assert.equal(behind.count, CHUNK_START);
  });

  it('takes back what waits behind a slow task, for a place that is free', async (t) => {
    const { enqueue, place, told } = await open(t);
    await enqueue('slow', 'b', 'c');
    const one = place();
    await poll('the tasks', () => one.ids().length === 3);
    one.claim('slow');
    const two = place();
    await poll('the move', () => two.ids().length === 2);
    assert.deepEqual(two.ids().sort(), ['b', 'c']);
    assert.equal(one.claim('b'), false);
    assert.deepEqual(told, []);
  });

  it('gives it back to the storage where no place is free', async (t) => {
    const { storage, enqueue, place, told } = await open(t);
    await enqueue('slow', 'b', 'c');
    const one = place();
    await poll('the tasks', () => one.ids().length === 3);
    one.claim('slow');
    await poll('the return', async () => (await storage.counts()).ready === 2);
    // It is not leased again for the place that is stuck.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(told.map(({ id, outcome }) => `${id} ${outcome}`).sort(), ['b not-started', 'c not-started']);
    const heads = await readyHeads(storage);
    assert.deepEqual(heads.map(({ id, attempts, lapses, deaths }) => [id, attempts, lapses, deaths]).sort(), [
      ['b', 0, 0, 0],
      ['c', 0, 0, 0],
    ]);
  });

  it('stops a run over its timeout, first softly, then by the end of its thread', async (t) => {
    const { storage, dispatcher, enqueue, place } = await open(t);
    await enqueue({ id: 'slow', timeoutMs: 30 }, 'b');
    const one = place();
    await poll('the tasks', () => one.ids().length === 2);
    const killed = new Promise<void>((resolve) => {
      one.onKill = resolve;
    });
    one.claim('slow');
    await poll('the signal', () => one.aborted.length === 1);
    assert.deepEqual(one.aborted, [{ lane: 0, slot: 0, reason: 'timeout' }]);
    assert.equal(one.complete('slow'), false, 'what it returns now counts for nothing');
    await killed;
    dispatcher.placeGone(one.place, 'it was ended');
    await poll('its failure', async () => (await storage.readResults(['slow']))[0]?.state === 'failed');
    const other = place();
    await poll('the neighbour', () => other.ids().length === 1);
    assert.deepEqual(other.ids(), ['b']);
    assert.equal(decodeHead(other.lane().message(0)).attempts, 0);
  });

  it('does not end a thread whose stopped run has ended in time', async (t) => {
    const { storage, dispatcher, enqueue, place } = await open(t);
    await enqueue({ id: 'slow', timeoutMs: 30 });
    const one = place();
    await poll('the task', () => one.ids().length === 1);
    one.claim('slow');
    await poll('the signal', () => one.aborted.length === 1);
    one.lane().memory.reported(0);
    dispatcher.outcome(one.lane(), 0, { kind: 'complete', record: 'd1', ttlSeconds: 60 });
    dispatcher.chunkEnded(one.place, one.lane());
    await poll('its failure', async () => (await storage.readResults(['slow']))[0]?.state === 'failed');
    await enqueue({ id: 'next', timeoutMs: 10_000 });
    await poll('the next one', () => one.ids().includes('next'));
    one.claim('next');
    // Well beyond the 50 ms of grace of the first one.
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(one.killed, false);
  });

  describe('that is told to cancel', () => {
    it('ends what has not started, and lets its neighbours run', async (t) => {
      const { storage, dispatcher, enqueue, place } = await open(t);
      await enqueue('a', 'b', 'c');
      const one = place();
      await poll('the tasks', () => one.ids().length === 3);
      dispatcher.cancel(['b', 'nobody']);
      await poll('its end', async () => (await storage.readResults(['b']))[0]?.state === 'canceled');
      assert.deepEqual([one.claim('a'), one.claim('b'), one.claim('c')], [true, false, true]);
      assert.deepEqual(one.aborted, []);
    });

    it('stops what runs, first softly, then by the end of its thread; once', async (t) => {
      const { storage, dispatcher, enqueue, place, told } = await open(t);
      await enqueue({ id: 'slow', retries: 3 }, 'b');
      const one = place();
      await poll('the tasks', () => one.ids().length === 2);
      const killed = new Promise<void>((resolve) => {
        one.onKill = resolve;
      });
      one.claim('slow');
      for (let n = 0; n < 3; n++) dispatcher.cancel(['slow']);
      assert.deepEqual(one.aborted, [{ lane: 0, slot: 0, reason: 'canceled' }]);
      assert.equal(one.lane().memory.canceled(0), true);
      assert.equal(one.complete('slow'), false, 'what it returns now counts for nothing');
      await killed;
      dispatcher.placeGone(one.place, 'it was ended');
      await poll('its end', async () => (await storage.readResults(['slow']))[0]?.state === 'canceled');
      const other = place();
      await poll('the neighbour', () => other.ids().length === 1);
      assert.deepEqual(other.ids(), ['b']);
      assert.equal(decodeHead(other.lane().message(0)).attempts, 0);
      assert.deepEqual(
        told.filter(({ id }) => id === 'slow'),
        [{ id: 'slow', outcome: 'cancel' }],
      );
    });

    it('takes what fails, or returns, during its grace for canceled', async (t) => {
      const { storage, dispatcher, enqueue, place } = await open(t);
      await enqueue({ id: 'slow', retries: 3 });
      const one = place();
      await poll('the task', () => one.ids().length === 1);
      one.claim('slow');
      dispatcher.cancel(['slow']);
      one.lane().memory.reported(0);
      dispatcher.outcome(one.lane(), 0, { kind: 'error', error: { name: 'Error', message: 'stopped', code: 'error' } });
      dispatcher.chunkEnded(one.place, one.lane());
      await poll('its end', async () => (await storage.readResults(['slow']))[0]?.state === 'canceled');
      assert.equal((await storage.counts()).running, 0);
    });

    it('does not run again what was stopped for its timeout', async (t) => {
      const { storage, dispatcher, enqueue, place } = await open(t);
      await enqueue({ id: 'slow', timeoutMs: 20, retries: 3 });
      const one = place();
      await poll('the task', () => one.ids().length === 1);
      one.claim('slow');
      await poll('the signal', () => one.aborted.length === 1);
      dispatcher.cancel(['slow']);
      one.lane().memory.reported(0);
      dispatcher.outcome(one.lane(), 0, { kind: 'complete', record: 'd1', ttlSeconds: 60 });
      dispatcher.chunkEnded(one.place, one.lane());
      await poll('its end', async () => (await storage.readResults(['slow']))[0]?.state === 'canceled');
    });

    it('leaves what completes at this very moment', async (t) => {
      const { storage, dispatcher, enqueue, place } = await open(t);
      await enqueue('a');
      const one = place();
      await poll('the task', () => one.ids().length === 1);
      one.claim('a');
      one.complete('a');
      dispatcher.cancel(['a']);
      dispatcher.chunkEnded(one.place, one.lane());
      await poll('its end', async () => (await storage.readResults(['a']))[0]?.state === 'done');
      assert.deepEqual(one.aborted, []);
    });

    it('is told of it by the storage, also before the reply that brings it has come', async (t) => {
      const { storage, dispatcher, enqueue, place } = await open(t);
      storage.listen({ onCancel: (ids) => dispatcher.cancel(ids) });
      // In flight from the moment of the call on, and canceled before its answer is here.
      const step = storage.waitAndStep.bind(storage);
      storage.waitAndStep = async (call, waitMs) => {
        const reply = await step(call, waitMs);
        if (reply.chunks.length > 0) {
          assert.equal(await storage.cancel('a'), 'running');
          await new Promise((resolve) => setImmediate(resolve));
        }
        return reply;
      };
      const one = place();
      await new Promise((resolve) => setImmediate(resolve));
      await enqueue('a', 'b');
      await poll('its end', async () => (await storage.readResults(['a']))[0]?.state === 'canceled');
      assert.equal(one.claim('b'), true);
    });
  });

  it('accounts for every task of a thread that died', async (t) => {
    const { storage, dispatcher, enqueue, place, told } = await open(t);
    await enqueue('done', 'committing', 'running', 'waiting');
    const one = place();
    await poll('the tasks', () => one.ids().length === 4);
    one.claim('done');
    one.complete('done');
    one.claim('committing');
    const { lane, slot } = one.at('committing');
    lane.memory.publish(slot);
    one.claim('running');
    one.ready = false;
    dispatcher.placeGone(one.place, 'exit 7');
    await poll('the accounts', async () => (await storage.counts()).running === 0);
    assert.equal((await storage.readResults(['done']))[0]?.state, 'done');
    const heads = new Map((await readyHeads(storage)).map((head) => [head.id, head]));
    assert.deepEqual([...heads.keys()].sort(), ['committing', 'running', 'waiting']);
    assert.deepEqual([heads.get('running')?.deaths, heads.get('running')?.attempts], [1, 1]);
    for (const id of ['committing', 'waiting'])
      assert.deepEqual([heads.get(id)?.deaths, heads.get(id)?.lapses, heads.get(id)?.attempts], [0, 0, 0]);
    assert.deepEqual(told.map(({ id }) => id).sort(), ['committing', 'running', 'waiting']);
  });

  it('runs a suspect alone', async (t) => {
    const { storage, dispatcher, enqueue, place } = await open(t);
    await enqueue({ id: 'suspect', lapses: 2 });
    const one = place();
    await poll('the suspect', () => one.ids().length === 1);
    await enqueue('a', 'b', { id: 'second', lapses: 2 });
    one.claim('suspect');
    assert.equal(one.alone, true);
    const two = place();
    await poll('the others', () => two.ids().length === 2);
    assert.deepEqual([one.ids(), two.ids().sort()], [['suspect'], ['a', 'b']]);
    one.complete('suspect');
    dispatcher.chunkEnded(one.place, one.lane());
    await poll('the second', () => one.ids()[0] === 'second' || two.ids().includes('second'));
    assert.equal((await storage.readResults(['suspect']))[0]?.state, 'done');
    assert.deepEqual(one.ids(), ['second']);
  });

  it('holds no suspect that has to wait: gives it back uncharged, keeps a place free, and takes it again for that', async (t) => {
    const { storage, told, dispatcher, enqueue, place } = await open(t);
    const one = place();
    await enqueue('a');
    await poll('the task', () => one.ids().length === 1);
    one.claim('a');
    await enqueue({ id: 'suspect', lapses: 2 });
    await poll('its return', async () => told.some(({ id }) => id === 'suspect') && (await storage.counts()).ready === 1);
    assert.deepEqual(told, [{ id: 'suspect', outcome: 'not-started' }]);
    assert.ok(one.alone, 'its place is kept');
    await enqueue('b');
    // It is not asked for again, however often the dispatcher looks, until there is room.
    dispatcher.look();
    assert.deepEqual([...dispatcher.heldIds()], ['a']);
    one.complete('a');
    dispatcher.chunkEnded(one.place, one.at('a').lane);
    await poll('the suspect', () => one.ids().includes('suspect'));
    assert.deepEqual(one.ids(), ['suspect']);
    one.claim('suspect');
    one.complete('suspect');
    dispatcher.chunkEnded(one.place, one.at('suspect').lane);
    await poll('what waited meanwhile', () => one.ids().includes('b'));
    assert.equal(one.alone, false);
    const [record] = await storage.readResults(['suspect']);
    assert.equal(record?.state, 'done');
  });

  it('frees the place that it kept where another consumer has the suspect by now', async (t) => {
    const { storage, told, dispatcher, enqueue, place } = await open(t);
    const one = place();
    await enqueue('a');
    await poll('the task', () => one.ids().length === 1);
    one.claim('a');
    await enqueue({ id: 'suspect', lapses: 2 });
    await poll('its return', async () => told.length > 0 && (await storage.counts()).ready === 1);
    const [head] = await readyHeads(storage);
    assert.deepEqual([head?.id, head?.lapses, head?.deaths], ['suspect', 2, 0]);
    one.complete('a');
    dispatcher.chunkEnded(one.place, one.at('a').lane);
    await poll('the place', () => !one.alone);
    await enqueue('b');
    await poll('the next', () => one.ids().includes('b'));
  });

  it('keeps another place for a suspect where the thread of the kept one is gone', async (t) => {
    const { storage, told, dispatcher, enqueue, place } = await open(t);
    const one = place();
    await enqueue('a');
    await poll('the task', () => one.ids().length === 1);
    one.claim('a');
    await enqueue({ id: 'suspect', lapses: 2 });
    await poll('its return', async () => told.length > 0 && (await storage.counts()).ready === 1);
    one.ready = false;
    dispatcher.placeGone(one.place, 'gone');
    const two = place();
    await poll('the suspect', () => two.ids().includes('suspect'));
    assert.deepEqual([two.ids(), two.alone], [['suspect'], true]);
  });

  it('that stops gives back at once what has not started, a suspect too, and is quiet when the rest has ended', async (t) => {
    const { storage, dispatcher, enqueue, place } = await open(t);
    await enqueue('a', 'b', 'c');
    const one = place();
    await poll('the tasks', () => one.ids().length === 3);
    one.claim('a');
    dispatcher.stopLeasing();
    let quiet = false;
    const whenQuiet = dispatcher.quiet().then(() => {
      quiet = true;
    });
    await poll('the return', async () => (await storage.counts()).ready === 2);
    assert.equal(quiet, false);
    one.complete('a');
    for (const lane of one.lanes) if (lane.busy) dispatcher.chunkEnded(one.place, lane);
    await whenQuiet;
    assert.deepEqual(await storage.readResults(['a']), [{ state: 'done', payload: '1' }]);
    await enqueue('d');
    assert.equal((await storage.counts()).ready, 3);
  });

  it('counts what a refused call carried as held when it tells that it was reaped', async (t) => {
    const { storage, dispatcher, enqueue, place, faults } = await open(t);
    await enqueue('late');
    const one = place();
    await poll('the task', () => one.ids().length === 1);
    one.claim('late');
    one.complete('late');
    await storage.unregister('c');
    dispatcher.chunkEnded(one.place, one.lane());
    await poll('the news', () => faults.length > 0);
    assert.equal(faults[0], 'reaped with late');
  });

  it('tells that it was reaped, once', async (t) => {
    const { storage, enqueue, place, faults } = await open(t);
    await storage.unregister('c');
    await enqueue('a');
    place();
    await poll('the news', () => faults.length > 0);
    assert.equal(faults[0], 'reaped with');
  });

  it('counts commits of tasks that are not its own any more', async (t) => {
    const { storage, dispatcher, enqueue, place, refused } = await open(t);
    await enqueue('a');
    const one = place();
    await poll('the task', () => one.ids().length === 1);
    one.claim('a');
    dispatcher.completion(one.at('a').lane, encodeCompletion({ id: 'a', ttlSeconds: 60, record: 'd"first"' }));
    await poll('the record', async () => (await storage.readResults(['a']))[0] !== undefined);
    one.complete('a');
    dispatcher.chunkEnded(one.place, one.at('a').lane);
    await poll('the refusal', () => refused.length > 0);
    assert.deepEqual(refused, [1]);
    assert.deepEqual(await storage.readResults(['a']), [{ state: 'done', payload: '"first"' }]);
  });
});
