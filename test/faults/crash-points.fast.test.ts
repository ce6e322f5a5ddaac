/**
 * Crash points, enumerated: each scenario once for each call that its producer or its consumers make of the storage, and
 * for each way in which that call can go wrong. Over memory, with simulated time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LEASE_MS } from '../../src/runtime/limits.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import type { WorldStorage } from './model/crash-run.js';
import { pointsOf, strikeAll } from './model/points.js';
import { QUEUE } from './model/process.js';
import { SCENARIOS } from './model/scenarios.js';

const START_MS = Date.UTC(2026, 0, 1);
const AT_ONCE = 64;

async function memoryWorld(): Promise<WorldStorage> {
  let now = START_MS;
  const observer = new MemoryStorage(QUEUE, { now: () => now });
  return {
    observer,
    leaseMs: LEASE_MS,
    connect: async () => observer.another(),
    advance: (ms) => {
      now += ms;
    },
  };
}

describe('whatever call a crash or a lost message strikes', () => {
  for (const scenario of SCENARIOS) {
    it(`keeps the promises for ${scenario.name}`, async (t) => {
      const points = await pointsOf(scenario, await memoryWorld());
      const { struck, failures } = await strikeAll(points, memoryWorld, AT_ONCE);
      t.diagnostic(`${struck} faults struck`);
      assert.deepEqual(failures, []);
      assert.ok(struck >= 10, `only ${struck} faults struck`);
    });
  }
});
