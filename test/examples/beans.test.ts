/** The guide's own example, on every storage that several processes can share. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runExample, STORAGES } from './run-example.js';

for (const [storage, open] of Object.entries(STORAGES)) {
  describe(`examples/beans on ${storage}`, () => {
    it('counts beans now and later, fails what fails three times, and ends by itself', async (t) => {
      const { stdout, consumer } = await runExample(t, 'beans', await open(t));
      assert.match(stdout, /the value, when it is there: +Counted 100 beans/);
      assert.match(stdout, /the scheduled one: +Counted 200 beans/);
      assert.match(stdout, /tryThrice failed as it should: +Error: nope, not at try 3 either/);
      assert.match(stdout, /three in one call: +Counted 1 beans, Counted 2 beans, Counted 3 beans/);
      assert.deepEqual(
        [...consumer.matchAll(/-- try (\d) of 3 --/g)].map(([, attempt]) => attempt),
        ['1', '2', '3'],
      );
      assert.match(consumer, /is running {2}queue=beans .* tasks=3 periodic=1/);
    });
  });
}
