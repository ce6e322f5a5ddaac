/** The server's memory is full for a while. */
import assert from 'node:assert/strict';
import { EnqueueFailed } from 'huey-runtime';
import { poll } from '../support/poll.js';
import { redisCommand } from './harness/redis-wire.js';
import { fault } from './harness/scenario.js';
import { TASKS, type FaultWorld } from './harness/world.js';

const FULL_MS = 5000;
const DUE_SECONDS = 2;

fault('F13', `maxmemory reached in mid-run, lifted after ${FULL_MS / 1000} s`, {}, async (world) => {
  await world.enqueue(TASKS);
  // Running tasks take locks, and scheduled ones become due, on a full server too.
  await world.enqueue(100, (i, { locked }) => locked.withOptions({ priority: 1 }).s(`lock ${i}`, 5));
  await world.enqueue(100, (_i, { work }) => work.withOptions({ delay: DUE_SECONDS }).s(5));
  const consumers = [await world.startConsumer(), await world.startConsumer()];
  await setMaxMemory(world, '1');
  const fullAt = Date.now();
  const endedBefore = (await world.states()).size;
  let rejected = 0;
  await poll('the end of the full time', async () => {
    if (Date.now() - fullAt > FULL_MS) return true;
    await assert.rejects(world.enqueue(1), (error) => {
      assert.ok(error instanceof EnqueueFailed);
      assert.equal(error.outcomeUnknown, false);
      assert.equal((error.cause as { code?: string }).code, 'storage-full');
      return true;
    });
    rejected += 1;
    return false;
  });
  const endedMeanwhile = (await world.states()).size - endedBefore;
  await setMaxMemory(world, '0');
  await world.enqueue(10);
  const states = await world.settled();
  await world.quiet();
  for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
  assert.ok(rejected > 10, `${rejected} calls were refused`);
  // Far fewer than run in that time: it goes on, that is all.
  assert.ok(endedMeanwhile > 200, `${endedMeanwhile} tasks ended while the server was full`);
  for (const consumer of consumers) assert.deepEqual(consumer.logged(/silent|cannot go on/), []);
  const report = await world.report({ note: `${endedMeanwhile} ended and ${rejected} calls were refused while it was full` });
  assert.equal(report.duplicates, 0);
  return report;
});

function setMaxMemory(world: FaultWorld, bytes: string): Promise<unknown> {
  return redisCommand(world.redis.port, 'CONFIG', 'SET', 'maxmemory', bytes);
}
