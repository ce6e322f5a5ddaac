/** What others put into the queue, whatever it is, neither stops a consumer nor keeps it busy. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { encodeHead, encodeMessage, type Head } from '../../src/runtime/message.js';
import { HOUR_MS } from '../../src/runtime/limits.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { App, ModelConsumer } from '../faults/model/process.js';
import { FaultPlan } from '../faults/model/lossy-storage.js';
import { poll } from '../support/poll.js';
import { randomSeed } from '../support/seed.js';

const HEAD: Head = { id: 'a', name: 'work', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

interface World {
  storage: MemoryStorage;
  consumer: ModelConsumer;
  advance: (ms: number) => Promise<void>;
}

async function open(t: TestContext): Promise<World> {
  let now = Date.UTC(2026, 0, 1);
  const storage = new MemoryStorage('q', { now: () => now });
  const app = new App(storage.another(), new FaultPlan());
  app.task('work', {}, (...args: unknown[]) => args.length);
  app.task('fail', {}, () => {
    throw new Error('no');
  });
  const consumer = new ModelConsumer(app);
  await consumer.start();
  t.after(() => {
    consumer.end();
    app.line.dispose();
  });
  return {
    storage,
    consumer,
    advance: async (ms) => {
      now += ms;
      await consumer.live();
    },
  };
}

/** Everything that was pushed has ended or is dead, and the consumer is as good as before. */
async function settles({ storage, consumer }: World, texts: readonly string[]): Promise<void> {
  for (const text of texts) storage.pushRaw(text);
  const shown = JSON.stringify(texts).slice(0, 500);
  await poll(`an end of ${shown}`, async () => {
    assert.deepEqual(consumer.faults, [], shown);
    const { ready, running } = await storage.counts();
    return ready + running === 0;
  });
  await storage.enqueue([{ text: encodeMessage({ ...HEAD, id: 'good' }, '{"args":[],"at":1}') }]);
  await poll(`the next task after ${shown}`, async () => (await storage.readResults(['good']))[0]?.state === 'done');
}

describe('a consumer whose queue holds what is no message of ours', () => {
  it('puts aside what has links that lead nowhere, with its bytes', async (t) => {
    const world = await open(t);
    const stage = { head: encodeHead({ ...HEAD, id: 'b' }), body: { args: [] } };
    const wrong: Record<string, unknown>[] = [
      { next: 5 },
      { next: { head: 'x', body: { args: [] } } },
      { next: { ...stage, body: { args: 5 } } },
      { next: { ...stage, delayMs: -1 } },
      { next: { ...stage, body: { args: [], next: 1 } } },
      { onError: [] },
      { chord: {} },
      { chord: { id: 'c', index: -1 } },
      { chord: { id: 5, index: 0 } },
      { collect: 5 },
      { unique: {} },
      { unique: { key: 5, until: 'ended' } },
      { unique: null },
      { resultTtlMs: 'long' },
    ];
    const texts = wrong.flatMap((fields, n) =>
      ['work', 'fail', 'nobody'].map((name) =>
        encodeMessage({ ...HEAD, id: `${name}${n}`, name, linked: true }, JSON.stringify({ args: [], at: 1, ...fields })),
      ),
    );
    await settles(world, texts);
    const dead = await world.storage.list('dead', 1000);
    assert.deepEqual(new Set(dead.map(({ text }) => text)), new Set(texts));
  });

  it('is not stopped by any bytes', async (t) => {
    const seed = randomSeed(t);
    const good = encodeMessage({ ...HEAD, linked: true }, '{"args":[{"a":1},[2]],"at":1,"chord":{"id":"c","index":0}}');
    const mixed = fc.tuple(fc.nat(good.length), fc.nat(good.length)).map(([a, b]) => good.slice(0, a) + good.slice(b));
    const changed = fc
      .tuple(fc.nat(good.length), fc.string({ unit: 'binary', maxLength: 4 }))
      .map(([at, s]) => good.slice(0, at) + s + good.slice(at + 1));
    const body = fc.json({ maxDepth: 4 }).map((json) => encodeMessage(HEAD, json));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.string({ unit: 'binary' }), mixed, changed, body), { minLength: 1, maxLength: 20 }),
        async (texts) => {
          await settles(await open(t), texts);
        },
      ),
      { seed, numRuns: 60 },
    );
  });

  it('gives what is of another version back, and puts it aside after an hour', async (t) => {
    const world = await open(t);
    const newer = encodeMessage(HEAD, '{"args":[],"at":1}').replace('["1', '["2');
    await settles(world, [newer]);
    assert.deepEqual(
      (await world.storage.list('scheduled', 10)).map(({ text }) => text),
      [newer],
      'uncharged, byte for byte',
    );
    for (let minutes = 0; minutes < 59; minutes++) await world.advance(HOUR_MS / 60);
    assert.equal((await world.storage.counts()).dead, 0);
    for (let minutes = 0; minutes < 3; minutes++) await world.advance(HOUR_MS / 60);
    await poll('its end', async () => (await world.storage.counts()).dead === 1);
  });
});
