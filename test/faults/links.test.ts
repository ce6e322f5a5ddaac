/** F25 under F1: chords of 200 and pipelines of 10 stages, while consumers are killed. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { chord } from 'huey-runtime';
import { KillLog } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';

const ROUNDS = 5;
const CHORDS = 2;
const MEMBERS = 200;
const PIPELINES = 5;
const STAGES = 10;
const WAIT_SECONDS = 120;

for (const storage of ['redis', 'sqlite'] as const) {
  fault('F25', `chords of ${MEMBERS} and pipelines of ${STAGES} stages under F1`, { storage }, async (world) => {
    const { huey, plusOne, collect } = await world.tasks();
    const kills = new KillLog(world);
    const consumers = [await world.startConsumer(), await world.startConsumer()];
    const chords = [];
    const pipelines = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < CHORDS; i++) {
        const members = Array.from({ length: MEMBERS }, (_, k) => plusOne.s(k));
        chords.push(await huey.enqueue(chord(members, collect)));
      }
      for (let i = 0; i < PIPELINES; i++) {
        const line = plusOne.s(i).pipe(plusOne).pipe(plusOne).pipe(plusOne).pipe(plusOne);
        pipelines.push(await huey.enqueue(line.pipe(plusOne).pipe(plusOne).pipe(plusOne).pipe(plusOne).pipe(plusOne)));
      }
      await sleep(world.random.integer(50, 500));
      const [victim] = consumers.splice(world.random.integer(0, 1), 1);
      assert.ok(victim);
      await kills.kill(victim);
      consumers.push(await world.startConsumer());
    }

    for (const one of chords) {
      world.enqueued.push(one.callback.id, ...[...one.results].map(({ id }) => id));
      assert.deepEqual(
        await one.get({ blocking: true, timeout: WAIT_SECONDS }),
        Array.from({ length: MEMBERS }, (_, k) => k + 1),
        'the callback got every value once, in order',
      );
    }
    for (const [i, stages] of pipelines.entries()) {
      world.enqueued.push(...[...stages].map(({ id }) => id));
      const first = i % PIPELINES;
      assert.deepEqual(
        await stages.get({ blocking: true, timeout: WAIT_SECONDS }),
        Array.from({ length: STAGES }, (_, k) => first + k + 1),
      );
    }
    const states = await world.settled();
    for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
    // A callback or a stage that was enqueued twice would have an id that nobody has a handle of.
    const known = new Set(world.enqueued);
    assert.deepEqual(
      world.journal.runs().filter(({ id }) => !known.has(id)),
      [],
      'each callback and each stage was enqueued once',
    );
    const { recoveryMs, held } = await kills.check();
    await world.quiet();
    return world.report({ recoveryMs, note: `${ROUNDS} kills, ${held} held; ${chords.length} callbacks once, results in order` });
  });
}
