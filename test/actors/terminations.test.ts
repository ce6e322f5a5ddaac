/** Threads that are ended again and again leave nothing behind: no threads, handles, files or memory. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TaskTimeout } from '../../src/runtime/errors.js';
import { poll } from '../support/poll.js';
import { accountTasks } from './account-world.js';

const WAIT = { blocking: true, timeout: 60 } as const;
/** More of them by the environment: TERMINATIONS=10000. */
const TERMINATIONS = Number(process.env['TERMINATIONS'] ?? 60);
const WORKERS = 2;
/** What the heap may grow by from the first third to the end: code that is compiled later, sizes of tables. */
const HEAP_GROWTH_BYTES = 8 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

interface Holdings {
  threads: number;
  handles: number;
  files: number;
  heapBytes: number;
}

describe(`${TERMINATIONS} terminations`, () => {
  it('leave no threads, handles, files or memory behind', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: WORKERS });
    const third = Math.ceil(TERMINATIONS / 3);
    // The first third fills caches and brings up what there is one of.
    await end(tasks, third);
    const before = await holdings();
    await end(tasks, TERMINATIONS - third);
    // Ended threads go a little after their tasks.
    let after = await holdings();
    await poll('ended threads to go', async () => {
      after = await holdings();
      return after.threads <= before.threads && after.handles <= before.handles && after.files <= before.files;
    }).catch(() => undefined);
    t.diagnostic(JSON.stringify({ before, after }));
    for (const what of ['threads', 'handles', 'files'] as const) {
      assert.ok(after[what] <= before[what], `${what}: ${before[what]} before, ${after[what]} after`);
    }
    assert.ok(after.heapBytes - before.heapBytes < HEAP_GROWTH_BYTES, `${before.heapBytes} and ${after.heapBytes} bytes`);
    assert.equal(await (await world.tasks.add(1, 2)).get(WAIT), 3);
  });
});

async function end(tasks: Awaited<ReturnType<typeof accountTasks>>['tasks'], count: number): Promise<void> {
  for (let left = count; left > 0; left -= WORKERS) {
    const stuck = await Promise.all(Array.from({ length: Math.min(left, WORKERS) }, () => tasks.spinBriefly()));
    for (const result of stuck) await assert.rejects(result.get(WAIT), TaskTimeout);
  }
}

async function holdings(): Promise<Holdings> {
  // Its replacement, which comes up meanwhile, counts as well.
  await sleep(500);
  collectGarbage();
  return {
    threads: count('/proc/self/task'),
    handles: process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate').length,
    files: count('/proc/self/fd'),
    heapBytes: process.memoryUsage().heapUsed,
  };
}

/** 0 where the system does not tell. */
function count(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}
