import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll } from '../support/poll.js';
import { ConsumerWorld, WAYS } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 20 } as const;

for (const way of WAYS) {
  describe(`a consumer that is stopped, on ${way.kind}, ${way.mode}`, () => {
    it('gives back at once what has not started, and lets what runs come to its end', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const { file, lines } = world.journal();
      const consumer = await world.start({ workers: 1 });
      const first = await tasks.rest(file, 'first', 0.4);
      await poll('the first one', () => lines().length === 1);
      await tasks.huey.enqueueMany(Array.from({ length: 50 }, (_, i) => tasks.rest.s(file, String(i), 0.4)));
      await consumer.stop();
      // What was started has ended; the rest waits as it was.
      const started = lines().filter((line) => line.startsWith('start')).length;
      assert.equal(lines().filter((line) => line.startsWith('end')).length, started);
      assert.ok(started <= 2, `${started} were started`);
      assert.deepEqual(await world.counts(), { ready: 51 - started, scheduled: 0, running: 0, dead: 0, consumers: 0 });
      assert.equal(await first.get(WAIT), 'first');
    });

    it('gives back uncharged what goes on beyond the grace', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const { file, lines } = world.journal();
      const consumer = await world.start({ workers: 2, grace: 60 });
      const results = [await tasks.rest(file, 'a', 30), await tasks.rest(file, 'b', 30)];
      await poll('both', () => lines().length === 2);
      const stoppedAt = performance.now();
      await consumer.stop({ grace: 0.2 });
      assert.ok(performance.now() - stoppedAt < 8000);
      assert.deepEqual(await world.counts(), { ready: 2, scheduled: 0, running: 0, dead: 0, consumers: 0 });
      for (const { id } of results) {
        const [text] = await leasedTexts(world, id);
        assert.match(text ?? '', /^\["1[01r]0000000000/);
      }
    });

    it('can be told twice, the second time with less patience', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { file, lines } = world.journal();
      const consumer = await world.start({ workers: 2 });
      await world.tasks.rest(file, 'a', 30);
      await poll('its start', () => lines().length === 1);
      const stoppedAt = performance.now();
      const first = consumer.stop();
      const second = consumer.stop({ grace: 0 });
      await Promise.all([first, second]);
      await consumer.stop();
      assert.ok(performance.now() - stoppedAt < 15_000);
      assert.deepEqual(await world.counts(), { ready: 1, scheduled: 0, running: 0, dead: 0, consumers: 0 });
    });

    it('leaves everything to the next one', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const { file, lines } = world.journal();
      const all = await tasks.huey.enqueueMany(Array.from({ length: 200 }, (_, i) => tasks.work.s(file, String(i), 2)));
      const first = await world.start();
      await poll('some of them', () => lines().length > 20);
      await first.stop();
      const before = lines().length;
      assert.ok(before < 200);
      await world.start();
      await Promise.all(all.map((result) => result.get(WAIT)));
      assert.equal(new Set(lines()).size, 200);
      assert.equal(lines().length, 200);
    });
  });
}

/** Takes what is ready, as another consumer would, and gives the text of one. */
async function leasedTexts(world: ConsumerWorld, id: string): Promise<string[]> {
  const storage = await world.storage();
  await storage.register('looker', 60_000);
  const call = { consumer: 'looker', lane: 0, seq: Date.now(), completions: [], transitions: [], chunks: 1, chunkSize: 10, solo: false };
  const { chunks } = await storage.step(call);
  const texts = chunks.flatMap(({ text }) => text.split(',\n'));
  await storage.unregister('looker');
  return texts.filter((text) => text.includes(id));
}
