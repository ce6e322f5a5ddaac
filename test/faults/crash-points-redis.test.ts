/** The crash points over Redis: every call of every scenario that needs no patience, in each way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pointsOf, strikeAll } from './model/points.js';
import { redisWorlds } from './model/redis-worlds.js';
import { SCENARIOS } from './model/scenarios.js';

const AT_ONCE = 24;

describe('whatever call to Redis a crash or a lost message strikes', () => {
  for (const scenario of SCENARIOS.filter(({ long }) => long !== true)) {
    it(`keeps the promises for ${scenario.name}`, async (t) => {
      const open = await redisWorlds(t);
      const { struck, failures } = await strikeAll(await pointsOf(scenario, await open()), open, AT_ONCE);
      t.diagnostic(`${struck} faults struck`);
      assert.deepEqual(failures, []);
      assert.ok(struck >= 10, `only ${struck} faults struck`);
    });
  }
});
