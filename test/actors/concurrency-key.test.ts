/** `concurrencyKey` with consumers that run: one tenant cannot take all places, however many consumers there are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tuple } from '../../src/runtime/tuple.js';
import { ConsumerWorld, fixtureUrl, type StorageKind } from './consumer-world.js';

type Tasks = typeof import('../fixtures/concurrent-tasks.js');

const CALLS = 150;
const WAIT = { blocking: true, timeout: 60 } as const;

describe('two consumers of tasks with a concurrencyKey', () => {
  for (const kind of ['memory', 'sqlite', 'redis'] satisfies StorageKind[]) {
    it(`run at most as many of a key as it may have, and others meanwhile, on ${kind}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const tasks = (await import(fixtureUrl('concurrent-tasks', world.queue, world.url).href)) as Tasks;
      t.after(() => tasks.huey.close());
      const { file, lines } = world.journal();
      const many = await tasks.turnOfTenant.map(Array.from({ length: CALLS }, () => tuple(file, 'big')));
      const few = await tasks.turnOfTenant(file, 'small');
      for (let n = 0; n < 2; n++) await world.start({ file: 'concurrent-tasks', workers: 2, concurrency: 4 });
      await Promise.all([...many, few].map((res) => res.get(WAIT)));
      await world.drained();
      assert.deepEqual([most(lines(), 'big'), most(lines(), 'small')], [2, 1]);
      assert.equal(lines().filter((line) => line === '-big').length, CALLS, 'each ran once');
      const before = lines()
        .slice(0, lines().indexOf('+small'))
        .filter((line) => line === '-big').length;
      assert.ok(before < CALLS / 2, `the one behind ${CALLS} of another tenant did not wait for them: it came behind ${before}`);
    });
  }
});

/** How many of a tenant ran at once, at most. */
function most(lines: readonly string[], tenant: string): number {
  let now = 0;
  let highest = 0;
  for (const line of lines) {
    if (line.slice(1) !== tenant) continue;
    now += line.startsWith('+') ? 1 : -1;
    highest = Math.max(highest, now);
  }
  return highest;
}
