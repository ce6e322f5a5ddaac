/** F21 and its SQLite half of F26: a consumer that dies while it moves due tasks to where they are taken from. */
import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import { fault } from './harness/scenario.js';
import { TASKS } from './harness/world.js';

const ROUNDS = 3;
const LEAD_MS = 1500;

for (const [number, storage] of [
  ['F21', 'redis'],
  ['F26', 'sqlite'],
] as const) {
  fault(number, `SIGKILL in the middle of promoting ${TASKS} due tasks`, { storage }, async (world) => {
    const looking = await world.storage();
    let midway = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const promoter = await world.startConsumer({ workers: 1 });
      // It runs none of them, so none can run twice: its one thread is taken, by a task that is no part of the count.
      const { work, huey } = await world.tasks();
      const before = world.journal.count();
      const blocker = await work(600_000);
      await poll('its thread to be taken', () => world.journal.count() > before);
      const eta = new Date(Date.now() + LEAD_MS);
      await world.enqueue(TASKS, (_i, tasks) => tasks.work.withOptions({ eta }).s(0));
      await poll('the first promotion', async () => (await looking.counts()).scheduled < TASKS);
      await promoter.kill();
      const { ready, scheduled, running } = await looking.counts();
      if (scheduled > 0) midway += 1;
      assert.equal(ready + scheduled + running, TASKS + 1, 'each is in one place, beside what took the thread');
      await huey.revokeById(blocker.id);
      const next = await world.startConsumer();
      const states = await world.settled();
      for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
      await poll('the end of what took the thread', async () => (await looking.counts()).running === 0);
      await next.stop();
      assert.deepEqual(next.logged(/this consumer was silent|stranded/), []);
    }
    await world.quiet();
    assert.deepEqual(world.journal.repeated(world.enqueued), []);
    return world.report({ note: `${ROUNDS} rounds, ${midway} of them killed between two batches` });
  });
}
