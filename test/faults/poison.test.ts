/** F9: tasks that take their thread, or their whole consumer, down each time; and 500 innocent ones beside them. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeptRunning } from './harness/keep-running.js';
import { fault } from './harness/scenario.js';

const INNOCENT = 500;
const HEAP_MIB = 64;
/** Somebody notices that a consumer makes no headway, and kills it. */
const PATIENCE_MS = 300;

fault('F9', `tasks that exit, run out of memory, loop and are killed, beside ${INNOCENT} innocent ones`, {}, async (world) => {
  const options = { nodeArgs: [`--max-old-space-size=${HEAP_MIB}`], workers: 2 };
  const consumers = [await KeptRunning.start(world, options), await KeptRunning.start(world, options)];
  const half = await world.enqueue(INNOCENT / 2);
  const exits = await world.enqueue(3, (_i, { exit }) => exit.s());
  const eaters = await world.enqueue(1, (_i, { eatMemory }) => eatMemory.s());
  const spinners = await world.enqueue(1, (_i, { spin }) => spin.s());
  const innocent = [...half, ...(await world.enqueue(INNOCENT / 2))];
  const poison = [...exits, ...eaters, ...spinners];

  let over = false;
  const killing = (async (): Promise<void> => {
    let killed = 0;
    while (!over) {
      const runs = world.journal.runs().filter(({ id }) => spinners.includes(id));
      if (runs.length > killed) {
        killed = runs.length;
        await sleep(PATIENCE_MS);
        const pid = runs.at(-1)?.pid;
        await consumers.find(({ current }) => current.pid === pid)?.current.kill();
      }
      await sleep(20);
    }
  })();
  const states = await world.settled().finally(() => {
    over = true;
  });
  await killing;

  for (const id of innocent) assert.equal(states.get(id), 'done', `an innocent task ended ${states.get(id) ?? 'never'}`);
  for (const id of poison) assert.equal(states.get(id), 'dead', `poison ended ${states.get(id) ?? 'never'}`);
  const dead = (await world.tasks()).huey.dead();
  assert.deepEqual(new Set((await dead).map(({ id }) => id)), new Set(poison), 'all of it can be looked at');
  await world.quiet();
  const runs = world.journal.byId();
  const most = Math.max(...poison.map((id) => runs.get(id)?.length ?? 0));
  const restarts = consumers.reduce((sum, consumer) => sum + consumer.restarts, 0);
  return world.report({ note: `poison ran ${most} times at most; ${restarts} consumers ended and were started again` });
});
