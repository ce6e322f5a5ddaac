/** Tasks over their timeout whose threads do not listen: where they were, and what becomes of the place. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskTimeout } from '../../src/runtime/errors.js';
import { poll } from '../support/poll.js';
import { accountTasks } from './account-world.js';
import type { Line } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 30 } as const;

describe('a task over its timeout', () => {
  it('is told of with the stack of its thread, in a loop and in a regular expression', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 1 });
    for (const [task, where] of [
      [tasks.spin, /^ +at spinForEver \(.*account-tasks\.js.*:\d+:\d+\)$/m],
      [tasks.backtrack, /^ +at .*account-tasks\.js.*:\d+:\d+\)?$/m],
    ] as const) {
      // The first question of a process loads the inspector, and a loaded machine may take longer than the grace.
      await poll(`the stack of ${task.taskName}`, async () => where.test((await timeoutOf(await task())).metadata.traceback ?? ''));
    }
    const lines = world.logged(/ran over its timeout/).map((line: Line) => String(line['at']));
    assert.ok(
      lines.some((at) => /^spinForEver \(/.test(at)),
      lines.join('\n'),
    );
    assert.equal(await (await world.tasks.add(1, 2)).get(WAIT), 3);
  });

  it('that waits without listening has no stack, and says why', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 1 });
    const { traceback } = (await timeoutOf(await tasks.waitForEver())).metadata;
    assert.match(traceback ?? '', /its thread went on meanwhile: it was waiting/);
  });

  it('gives the stack of what it threw itself when it listened', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    await world.start({ file: 'account-tasks', workers: 1 });
    const { traceback } = (await timeoutOf(await tasks.askNow())).metadata;
    assert.match(traceback ?? '', /at askNow .*account-tasks\.[jt]s/);
  });

  it('is replaced and reported a second after its grace, where native code holds its thread, and neighbours run on', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    const journal = world.journal();
    await world.start({ file: 'account-tasks', workers: 2 });
    // As many rounds as take this machine some five seconds: the thread is still in there when everything else is over.
    const stuck = await tasks.derive(journal.file, await roundsFor(5000));
    await poll('its start', () => journal.lines().length === 1);
    const startedAt = performance.now();
    const ended = timeoutOf(stuck).then(() => performance.now() - startedAt);
    for (let i = 0; i < 20; i++) assert.equal(await (await world.tasks.add(i, 1)).get(WAIT), i + 1);
    const tookMs = await ended;
    // 0.1 s of timeout, 0.1 s of grace, a second of waiting for the end; the rest is a loaded machine's.
    assert.ok(tookMs >= 1100 && tookMs < 4000, `${tookMs}`);
    // Both places take work.
    const threads = new Set<number>();
    await poll('both places', async () => {
      const results = await Promise.all([1, 2, 3, 4].map(() => tasks.whichThread()));
      for (const result of results) threads.add(await result.get(WAIT));
      return threads.size >= 2;
    });
    assert.equal(world.logged(/thread died|took its thread down/).length, 0);
    assert.equal(journal.lines().length, 1);
  });
});

async function timeoutOf(result: { get(options: typeof WAIT): Promise<unknown> }): Promise<TaskTimeout> {
  try {
    await result.get(WAIT);
  } catch (error) {
    assert.ok(error instanceof TaskTimeout, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it did not run over its timeout' });
}

async function roundsFor(ms: number): Promise<number> {
  const { pbkdf2Sync } = await import('node:crypto');
  const rounds = 20_000;
  const startedAt = performance.now();
  pbkdf2Sync('beans', 'salt', rounds, 64, 'sha512');
  return Math.ceil((rounds * ms) / (performance.now() - startedAt));
}
