/** F20 in simulated time: four consumers that come and go over three hours of minutes, on a storage whose clock is moved. */
import assert from 'node:assert/strict';
import { PeriodicWalk, type PeriodicData } from '../../src/actors/periodic-walk.js';
import { tickMessage } from '../../src/actors/tick-message.js';
import { IdGenerator } from '../../src/runtime/ids.js';
import { decodeMessage } from '../../src/runtime/message.js';
import { PLAIN_CODEC } from '../../src/runtime/payload-codec.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import type { Random } from './harness/random.js';
import { fault } from './harness/scenario.js';

const MINUTE_MS = 60_000;
const HOURS = 3;
const MINUTES = HOURS * 60;
const CONSUMERS = 4;
/** The newest missed minute is made up for within this time. */
const CATCH_UP_MS = 60_000;
const TASK: PeriodicData['tasks'][number] = {
  name: 'everyMinute',
  periodic: { expression: '* * * * *', zone: undefined, catchUpMs: CATCH_UP_MS },
};

/** A consumer as far as periodic tasks go: it looks again when its timer says, or never again. */
interface Walker {
  walk: PeriodicWalk;
  nextAt: number;
}

fault('F20', `${CONSUMERS} consumers with random restarts, ${HOURS} simulated hours`, { storage: 'none' }, async (world) => {
  const start = Date.UTC(2026, 0, 1, 22, 59, 30);
  let now = start;
  const storage = new MemoryStorage('minutes', { now: () => now });
  const ids = new IdGenerator(() => now);
  const settings = { retries: 0, retryDelayMs: 0, retryBackoff: 1, priority: 0, timeoutMs: 0, graceMs: 0 };
  let doubles = 0;
  const begin = (at: number): Walker => ({
    nextAt: at,
    walk: new PeriodicWalk(
      { tasks: [TASK], zone: 'UTC' },
      {
        storageNow: async () => now,
        checking: () => Promise.resolve(),
        tick: async (task, minuteMs) => {
          await turns(world.random);
          const text = tickMessage({ name: task, settings }, ids.next(), minuteMs, now, PLAIN_CODEC);
          const isNew = await storage.tick({ task, minuteMs, text });
          if (!isNew) doubles += 1;
          await turns(world.random);
          return isNew;
        },
        lastTicks: (names) => storage.lastTicks(names),
        skipTicks: (names, minuteMs) => storage.skipTicks(names, minuteMs),
        skipped: async () => assert.fail('somebody was always there within the catch-up window'),
      },
    ),
  });

  const walkers = Array.from({ length: CONSUMERS }, () => begin(now));
  let restarts = 0;
  while (now < start + MINUTES * MINUTE_MS) {
    // Those whose time has come look at the same moment, their calls mixed.
    const due = walkers.filter(({ nextAt }) => nextAt <= now);
    await Promise.all(
      due.map(async (walker) => {
        walker.nextAt = now + Math.max(5, await walker.walk.look()) + world.random.integer(0, 200);
      }),
    );
    if (world.random.integer(0, 3) === 0) {
      // Killed, and started again within less than the catch-up window: sometimes all of them at once.
      const count = world.random.integer(1, CONSUMERS);
      for (let i = 0; i < count; i++) walkers[i] = begin(now + world.random.integer(100, CATCH_UP_MS - 1000));
      restarts += count;
    }
    now = Math.min(...walkers.map(({ nextAt }) => nextAt));
  }

  const ticks = (await storage.list('ready', 1_000_000)).map(({ text }) => decodeMessage(text).body.tick);
  const expected = Array.from({ length: MINUTES }, (_, i) => start + 30_000 + i * MINUTE_MS);
  assert.deepEqual(
    ticks.filter((minute) => minute !== undefined && minute <= (expected.at(-1) ?? 0)),
    expected,
  );
  await storage.close();
  return {
    ...{ n: MINUTES, distinct: new Set(ticks).size, lost: 0, duplicates: ticks.length - new Set(ticks).size },
    note: `${restarts} restarts; ${doubles} ticks were another consumer's already`,
  };
});

/** Lets others go first, or not. */
async function turns(random: Random): Promise<void> {
  for (let i = random.integer(0, 3); i > 0; i--) await Promise.resolve();
}
