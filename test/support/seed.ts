/** The seed of random tests: printed by every run, and taken from SEED to repeat one. */
import type { TestContext } from 'node:test';

export function randomSeed(t: TestContext): number {
  const given = process.env['SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  t.diagnostic(`seed ${seed}; repeat with SEED=${seed}`);
  return seed;
}
