/** Random histories, done to the storage and to a model of plain Maps side by side; those that fail are made small. */
import fc from 'fast-check';
import { it } from 'node:test';
import { randomSeed } from '../support/seed.js';
import { history } from './model/commands.js';
import { ModelWalk } from './model/walk.js';
import { World, type MakeFixture } from './world.js';

const TEST_TIMEOUT_MS = 180_000;

/** @param runs histories, each on a queue of its own; MODEL_RUNS says another number, for a longer look */
export function describeModel(makeFixture: MakeFixture, runs: number): void {
  it('does what the contract promises, whatever is done to it', { timeout: TEST_TIMEOUT_MS }, async (t) => {
    const property = fc.asyncProperty(history, async (commands) => {
      const fixture = await makeFixture();
      try {
        await new ModelWalk(new World(fixture)).run(commands);
      } finally {
        await fixture.close();
      }
    });
    await fc.assert(property, { seed: randomSeed(t), numRuns: Number(process.env['MODEL_RUNS'] ?? runs), includeErrorInReport: true });
  });
}
