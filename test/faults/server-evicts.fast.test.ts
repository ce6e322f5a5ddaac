/** F14: a server that may delete tasks that wait. The other findings of the look at a server: test/cli/server-check.test.ts. */
import assert from 'node:assert/strict';
import { fault } from './harness/scenario.js';

const EVICTS = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'allkeys-lru'];

fault('F14', 'eviction policy other than noeviction', { redisArgs: EVICTS }, async (world) => {
  await world.enqueue(100);
  const refused = await world.startConsumer({ args: ['--strict'], wait: false });
  assert.deepEqual(await refused.exited, { code: 1, signal: null });
  assert.match(refused.output(), /--strict refuses.*maxmemory-policy is allkeys-lru/);
  assert.equal(world.journal.count(), 0, 'it has taken nothing');
  const warned = await world.startConsumer();
  assert.equal(warned.logged(/^maxmemory-policy is allkeys-lru/).length, 1);
  await world.settled();
  await world.quiet();
  return world.report({ note: 'warned of at start, refused with --strict' });
});
