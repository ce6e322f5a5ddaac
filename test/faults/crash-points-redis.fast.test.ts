/** Some of the crash points over Redis, by the seed; all of them are in crash-points-redis.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomSeed } from '../support/seed.js';
import { Random } from './harness/random.js';
import { pointsOf, strikeAll, type Struck } from './model/points.js';
import { redisWorlds } from './model/redis-worlds.js';
import { SCENARIOS } from './model/scenarios.js';

const SAMPLE = 24;
const AT_ONCE = 12;

it('keeps the promises over Redis at crash points that the seed picks', async (t) => {
  const random = new Random(randomSeed(t));
  const open = await redisWorlds(t);
  const scenario = random.pick(SCENARIOS.filter(({ long }) => long !== true));
  const points = await pointsOf(scenario, await open());
  const sample: Struck[] = Array.from({ length: SAMPLE }, () => random.pick(points));
  const { struck, failures } = await strikeAll(sample, open, AT_ONCE);
  t.diagnostic(`${scenario.name}: ${struck} faults struck`);
  assert.deepEqual(failures, []);
  assert.ok(struck >= SAMPLE / 2, `only ${struck} faults struck`);
});
