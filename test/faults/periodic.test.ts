/** Four consumers, one task of every minute: over two boundaries of a minute each minute is run once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startNode } from '../support/child.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, fixtureUrl } from '../actors/consumer-world.js';

const CONSUMER = fileURLToPath(new URL('../fixtures/consumer.js', import.meta.url));
const MINUTE_MS = 60_000;

describe('four consumers with a task of every minute', () => {
  for (const kind of ['redis', 'sqlite'] as const) {
    it(`run it once a minute, on ${kind}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { file, lines } = world.journal();
      const module = fixtureUrl('periodic-tasks', world.queue, world.url);
      module.searchParams.set('journal', file);
      const children = Array.from({ length: 4 }, () => startNode([CONSUMER, JSON.stringify({ module: module.href, workers: 1 })]));
      t.after(async () => void (await Promise.all(children.map((child) => child.stop()))));
      await Promise.all(children.map((child) => child.waitFor(/is running/)));
      const first = Math.floor(Date.now() / MINUTE_MS) + 1;
      await poll('two minutes', () => Date.now() > (first + 1) * MINUTE_MS + 5000, 3 * MINUTE_MS);
      assert.deepEqual(
        lines()
          .map(Number)
          .filter((minute) => minute >= first),
        [first, first + 1],
      );
      // A consumer that starts runs nothing for the minute that had begun before.
      assert.ok(lines().length <= 3);
    });
  }
});
