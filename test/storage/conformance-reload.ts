/** A request that consumers load their modules anew: who hears of it, and who finds it in a count. */
import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import type { Checks } from './conformance.js';

const LONG_MS = 60_000;

export function describeReload({ check }: Checks): void {
  check('tells every storage that listens, and says how many consumers there are', async (world) => {
    const others = await world.fixture.another();
    const told: number[] = [];
    others.listen({ onReload: (reloads) => told.push(reloads) });
    await others.register('one', LONG_MS);
    await world.storage.register('two', LONG_MS);
    // What is pushed before the subscription stands is lost; whoever wants to be heard asks again.
    await poll('the push', async () => {
      assert.equal(await world.storage.requestReload(), 2);
      return told.length > 0;
    });
  });

  check('is found in the next beat by whom the push did not reach', async (world) => {
    const { reloads: atFirst } = await world.storage.register('one', LONG_MS);
    assert.equal((await world.storage.beat('one', LONG_MS)).reloads, atFirst);
    await world.storage.requestReload();
    await world.storage.requestReload();
    assert.equal((await world.storage.beat('one', LONG_MS)).reloads, atFirst + 2);
  });

  check('is not for a consumer that enters later, and is there after a flush', async (world) => {
    await world.storage.requestReload();
    await world.storage.flush();
    const { reloads } = await world.storage.register('late', LONG_MS);
    assert.equal(reloads, 1);
    assert.equal((await world.storage.beat('late', LONG_MS)).reloads, 1);
  });
}
