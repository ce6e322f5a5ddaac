/** F1, F2 and their SQLite half of F26: consumers that are killed, one at a time and all at once. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { KillLog } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';
import { TASKS, type FaultWorld } from './harness/world.js';

const KILLS = 10;
const OUTAGE_MS = 5000;

for (const [number, storage] of [
  ['F1', 'redis'],
  ['F26', 'sqlite'],
] as const) {
  fault(number, `SIGKILL a consumer, ${KILLS} times at random moments`, { storage }, async (world) => {
    const kills = new KillLog(world);
    const consumers = [await world.startConsumer(), await world.startConsumer()];
    for (let i = 0; i < KILLS; i++) {
      // There is always work: what was enqueued for one kill lasts until the next consumer is there.
      await world.enqueue(TASKS / KILLS);
      await sleep(world.random.integer(0, 300));
      const [victim] = consumers.splice(world.random.integer(0, 1), 1);
      assert.ok(victim);
      await kills.kill(victim);
      consumers.push(await world.startConsumer());
    }
    await expectAllDone(world);
    const { duplicates, held, recoveryMs } = await kills.check();
    await world.quiet();
    return world.report({ recoveryMs, note: `${held} held when killed, ${duplicates} of them ran again` });
  });
}

for (const [number, storage] of [
  ['F2', 'redis'],
  ['F26', 'sqlite'],
] as const) {
  fault(number, `SIGKILL all consumers, start again after ${OUTAGE_MS / 1000} s`, { storage }, async (world) => {
    const kills = new KillLog(world);
    const consumers = [await world.startConsumer(), await world.startConsumer()];
    await world.enqueue(TASKS);
    await sleep(world.random.integer(200, 800));
    await Promise.all(consumers.map((consumer) => kills.kill(consumer)));
    const ranBefore = world.journal.count();
    assert.ok(ranBefore < TASKS, 'they were killed in the middle of their work');
    await sleep(OUTAGE_MS);
    assert.equal(world.journal.count(), ranBefore, 'nothing runs while nobody is there');
    const startedAt = Date.now();
    await Promise.all([world.startConsumer(), world.startConsumer()]);
    // Nobody was heard for longer than the lease: then everybody, the dead too, has one more lease from the first beat on.
    const runningAt = Date.now();
    await expectAllDone(world);
    const { held } = await kills.check({ from: runningAt });
    await world.quiet();
    const recoveryMs = kills.firstRunAfter(startedAt) - startedAt;
    return world.report({ recoveryMs, note: `${held} held when killed; recovered = first run after the start` });
  });
}

async function expectAllDone(world: FaultWorld): Promise<void> {
  const states = await world.settled();
  for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
}
