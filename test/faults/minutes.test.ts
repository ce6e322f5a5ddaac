/** F19 and F20 in real minutes, side by side: a consumer whose clock is wrong, and consumers that come and go. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { poll } from '../support/poll.js';
import { Journal, trueNow } from './harness/journal.js';
import { LOAD_MS } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';
import type { FaultWorld } from './harness/world.js';

const MINUTE_MS = 60_000;
const OFFSET_MS = 10 * MINUTE_MS;
/** After its minute has begun a tick is enqueued, leased and run; if its consumer dies, once more. */
const TICK_MS = 10_000;
const SCHEDULED = 300;
const INTERVAL_MS = 1000;

describe('over real minutes', { concurrency: true }, () => {
  fault('F19', 'the clock of one consumer off by 10 minutes', {}, async (world) => {
    const moved = {
      NODE_OPTIONS: `--import ${pathToFileURL(world.fixture('moved-clock')).href}`,
      HUEY_FAULTS_CLOCK_OFFSET_MS: String(world.random.pick([-OFFSET_MS, OFFSET_MS])),
    };
    const wrong = await world.startConsumer({ module: 'periodic-tasks', workers: 2, env: moved });
    const right = await world.startConsumer({ module: 'periodic-tasks', workers: 2 });
    const first = nextMinute();
    const due = new Map<string, { least: number; most: number }>();
    const { stamp } = await world.tasks();
    for (let i = 0; i < SCHEDULED; i++) {
      const delayMs = world.random.integer(500, 60_000);
      const before = trueNow();
      const result = await stamp.schedule({ args: [0], delay: delayMs / 1000 });
      due.set(result.id, { least: before + delayMs, most: trueNow() + delayMs });
      world.enqueued.push(result.id);
    }
    await untilMinute(first + 1);
    const states = await world.settled();
    const runs = world.journal.byId();
    let latestMs = 0;
    for (const [id, { least, most }] of due) {
      const [run] = runs.get(id) ?? [];
      assert.equal(states.get(id), 'done');
      assert.ok(run && run.at >= least - 1, `task ${id} ran ${least - (run?.at ?? 0)} ms early`);
      assert.ok(run.at <= most + INTERVAL_MS + LOAD_MS, `task ${id} ran ${run.at - most} ms late`);
      latestMs = Math.max(latestMs, run.at - most);
    }
    expectMinutes(world, first, 2);
    for (const consumer of [wrong, right]) assert.equal(consumer.logged(/silent/).length, 0, 'nobody was taken for dead');
    const pids = new Set(world.journal.runs().map(({ pid }) => pid));
    assert.equal(pids.size, 2, 'both took part');
    await world.quiet();
    return world.report({
      note: `off by ${moved.HUEY_FAULTS_CLOCK_OFFSET_MS} ms; 2 minutes ran once each; latest scheduled task ${latestMs} ms late`,
    });
  });

  fault('F20', '4 consumers with random restarts, an every-minute task, 3 real minutes', {}, async (world) => {
    const start = (): ReturnType<FaultWorld['startConsumer']> => world.startConsumer({ module: 'periodic-tasks', workers: 1 });
    const consumers = await Promise.all([start(), start(), start(), start()]);
    const first = nextMinute();
    let restarts = 0;
    while (trueNow() < (first + 2) * MINUTE_MS + TICK_MS) {
      await sleep(world.random.integer(2000, 8000));
      const [victim] = consumers.splice(world.random.integer(0, 3), 1);
      if (world.random.integer(0, 1) === 0) await victim?.kill();
      else await victim?.stop();
      consumers.push(await start());
      restarts += 1;
    }
    const ticks = expectMinutes(world, first, 3);
    await world.quiet();
    const n = ticks.length;
    return { n, distinct: n, lost: 3 - n, duplicates: 0, note: `${restarts} restarts, half of them SIGKILL` };
  });
});

function nextMinute(): number {
  return Math.floor(trueNow() / MINUTE_MS) + 1;
}

async function untilMinute(minute: number): Promise<void> {
  await poll('the minutes to pass', () => trueNow() > minute * MINUTE_MS + TICK_MS, 5 * MINUTE_MS);
}

/** Each of so many minutes from the first on was enqueued once. Gives the ids of their ticks. */
function expectMinutes(world: FaultWorld, first: number, count: number): string[] {
  const journal = new Journal(`${world.journal.file}.minutes`);
  // A tick that was enqueued twice has two ids; one whose consumer died may have run twice under one.
  const ticks = [...journal.byId()].map(([id, runs]) => ({ id, minute: Math.floor((runs[0]?.at ?? 0) / MINUTE_MS) }));
  const counted = ticks.filter(({ minute }) => minute >= first && minute < first + count);
  assert.deepEqual(
    counted.map(({ minute }) => minute).sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => first + i),
  );
  return counted.map(({ id }) => id);
}
