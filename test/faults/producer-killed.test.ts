/** F3 and its SQLite half of F26: a producer that is killed in the middle of its calls, again and again. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../support/poll.js';
import { fault } from './harness/scenario.js';
import { TASKS } from './harness/world.js';

const KILLS_LEAST = 3;

for (const [number, storage] of [
  ['F3', 'redis'],
  ['F26', 'sqlite'],
] as const) {
  fault(number, `SIGKILL the producer in a loop of ${TASKS} calls`, { storage }, async (world) => {
    await world.startConsumer();
    await world.startConsumer();
    const called: string[] = [];
    const stored: string[] = [];
    let kills = 0;
    // Each goes on where the one before was killed, until 2000 calls have been made.
    while (called.length < TASKS) {
      const producer = world.startProducer({ n: TASKS - called.length, prefix: `p${kills}` });
      await producer.waitFor(/stored /);
      await sleep(world.random.integer(0, kills < KILLS_LEAST ? 50 : 500));
      await producer.kill();
      if (producer.called().length < TASKS - called.length) kills += 1;
      called.push(...producer.called());
      stored.push(...producer.stored());
    }
    assert.ok(kills >= KILLS_LEAST, `killed in mid-loop ${kills} times`);
    const states = await world.settled(stored);
    for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
    await poll('the end of what may have been stored', async () => {
      const { ready, running } = await (await world.storage()).counts();
      return ready + running === 0;
    });
    const resolved = new Set(stored);
    const unresolved = called.filter((id) => !resolved.has(id));
    assert.ok(unresolved.length <= kills + 1, 'each producer has one call under way');
    const runs = world.journal.byId();
    for (const id of called) assert.ok((runs.get(id)?.length ?? 0) <= 1, `task ${id} ran twice, and no consumer died`);
    assert.deepEqual(
      [...runs.keys()].filter((id) => !called.includes(id)),
      [],
      'nothing ran that nobody had called',
    );
    await world.quiet();
    const ran = unresolved.filter((id) => runs.has(id)).length;
    return world.report({ note: `${kills} kills; ${unresolved.length} calls did not resolve, ${ran} of them ran` }, stored);
  });
}
