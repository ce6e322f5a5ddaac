/** F10: all threads at once in endless loops, with a timeout. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { poll } from '../support/poll.js';
import { Journal } from './harness/journal.js';
import { LOAD_MS } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';

const LOOPS = 8;
const PROMISED_MS = 1000;

fault('F10', `${LOOPS} endless loops at once, timeout 300 ms, grace 200 ms`, {}, async (world) => {
  const consumer = await world.startConsumer({ workers: LOOPS });
  const { stamp, huey } = await world.tasks();
  // All threads are up before the loops begin.
  const warm = await world.enqueue(10 * LOOPS);
  await world.settled(warm);
  const loops = await world.enqueue(LOOPS, (_i, { spinUntilStopped }) => spinUntilStopped.s());
  await poll('all to loop', () => loops.filter((id) => world.journal.byId().has(id)).length === LOOPS);
  const last = Math.max(...world.journal.runs().map(({ at }) => at));
  const calledAt = Date.now();
  const scheduled = await stamp.schedule({ args: [0], delay: 0.1 });
  const dueAt = calledAt + 100;
  const promotedAt = await poll('the scheduled task to be promoted', async () => (await huey.scheduledCount()) === 0 && Date.now());
  const states = await world.settled(loops);
  const timedOutAt = Date.now();
  for (const id of loops) assert.equal(states.get(id), 'failed');
  for (const id of loops) await assert.rejects(huey.result(id, { blocking: true, timeout: 1 }), { name: 'TaskTimeout' });
  assert.ok(timedOutAt - last <= PROMISED_MS + LOAD_MS, `all had timed out after ${timedOutAt - last} ms`);

  // Its places are all back: as many tasks as there are threads run at the same time, for none ends before all have begun.
  const meeting = path.join(world.dir, 'meeting');
  const after = await world.enqueue(LOOPS, (_i, tasks) => tasks.meet.s(meeting, LOOPS));
  await world.settled([...after, scheduled.id]);
  const backAt = Math.max(...new Journal(meeting).runs().map(({ at }) => at));
  const lateMs = promotedAt - dueAt;
  assert.ok(lateMs <= 100 + LOAD_MS, `the scheduler was late by ${lateMs} ms`);
  assert.equal(consumer.logged(/cannot go on/).length, 0);
  await world.quiet();
  return world.report({
    recoveryMs: backAt - timedOutAt,
    note: `all timed out after ${timedOutAt - last} ms; scheduler late by ${lateMs} ms`,
  });
});
