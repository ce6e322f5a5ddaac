/**
 * Crash points, enumerated: each scenario once for each call that its producer or its consumers make of the storage, and
 * for each way in which that call can go wrong. Over memory, with simulated time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { crashRun, type FaultPoint, type Scenario, type WorldStorage } from './model/crash-run.js';
import { FAULT_KINDS } from './model/lossy-storage.js';
import { QUEUE } from './model/process.js';
import { SCENARIOS } from './model/scenarios.js';

const START_MS = Date.UTC(2026, 0, 1);
/** Most of a run is waiting for a turn. */
const AT_ONCE = 64;

function memoryWorld(): WorldStorage {
  let now = START_MS;
  const observer = new MemoryStorage(QUEUE, { now: () => now });
  return {
    observer,
    connect: async () => observer.another(),
    advance: (ms) => {
      now += ms;
    },
  };
}

/** Gives how many faults did strike. */
async function atEachPoint(scenario: Scenario): Promise<number> {
  const { producerCalls, consumerCalls } = await crashRun(scenario, memoryWorld());
  const points: FaultPoint[] = FAULT_KINDS.flatMap((kind) => [
    ...producerCalls.map((_, i) => ({ role: 'producer' as const, kind, at: i + 1 })),
    ...consumerCalls.map((_, i) => ({ role: 'consumer' as const, kind, at: i + 1 })),
  ]);
  let struck = 0;
  const failures: string[] = [];
  const walk = async (): Promise<void> => {
    for (let point = points.shift(); point !== undefined; point = points.shift()) {
      const { role, kind, at } = point;
      const method = (role === 'producer' ? producerCalls : consumerCalls)[at - 1] ?? '';
      try {
        if ((await crashRun(scenario, memoryWorld(), point)).struck) struck++;
      } catch (error) {
        failures.push(`${kind} at call ${at} of the ${role} (${method}): ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, walk));
  assert.deepEqual(failures, []);
  return struck;
}

describe('whatever call a crash or a lost message strikes', () => {
  for (const scenario of SCENARIOS) {
    it(`keeps the promises for ${scenario.name}`, async (t) => {
      const struck = await atEachPoint(scenario);
      t.diagnostic(`${struck} faults struck`);
      assert.ok(struck >= 10, `only ${struck} faults struck`);
    });
  }
});
