/** Threads that are replaced because they have served enough, and threads that run out of memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskDead } from '../../src/runtime/errors.js';
import { poll } from '../support/poll.js';
import { accountTasks } from './account-world.js';

const WAIT = { blocking: true, timeout: 60 } as const;

describe('a worker thread', () => {
  it('is replaced when its heap holds too much behind a task, and the log says so', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 1, maxHeap: 40 });
    const before = await (await tasks.whichThread()).get(WAIT);
    assert.equal(await (await tasks.hoard(64)).get(WAIT), before);
    await poll('another thread', async () => (await (await tasks.whichThread()).get(WAIT)) !== before);
    const [line, ...more] = world.logged(/worker thread is replaced/);
    assert.match(String(line?.['reason']), /^its heap holds \d+ MiB \(--max-heap 40\)$/);
    assert.equal(more.length, 0);
    assert.equal(world.logged(/died/).length, 0);
  });

  it('is replaced at its age, though it has nothing to do, and one at a time', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 2, maxAge: 1 });
    const before = await (await tasks.whichThread()).get(WAIT);
    await poll('both of them', () => world.logged(/worker thread is replaced/).length >= 2);
    assert.notEqual(await (await tasks.whichThread()).get(WAIT), before);
    assert.match(String(world.logged(/worker thread is replaced/)[0]?.['reason']), /^it is \d+ s old \(--max-age 1\)$/);
  });

  it('runs on until its replacement has loaded the module: no task waits for that', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    const slow = new URL(tasks.module);
    slow.searchParams.set('slow', '3000');
    await world.start({ module: slow, workers: 1, maxTasks: 1 });
    const threads: number[] = [];
    let longestMs = 0;
    while (world.logged(/worker thread is replaced/).length === 0) {
      const startedAt = performance.now();
      threads.push(await (await tasks.whichThread()).get(WAIT));
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
    // Loading takes three seconds; a task that had waited for it would have taken as long.
    assert.ok(longestMs < 3000, `${longestMs}`);
    assert.ok(threads.length > 2);
    assert.match(String(world.logged(/worker thread is replaced/)[0]?.['reason']), /^it has run \d+ tasks \(--max-tasks 1\)$/);
  });

  it('that needs more memory than it may have dies alone, and its task ends as dead and says why', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 2, maxMemoryPerWorker: 32 });
    const greedy = await tasks.hoard(512);
    for (let i = 0; i < 20; i++) assert.equal(await (await world.tasks.add(i, 1)).get(WAIT), i + 1);
    await assert.rejects(greedy.get(WAIT), (error) => error instanceof TaskDead && /out of memory/.test(error.message));
    const deaths = world.logged(/worker thread died/).map((line) => String(line['reason']));
    assert.equal(deaths.length, 4);
    for (const reason of deaths) assert.match(reason, /^out of memory: /);
  });
});
