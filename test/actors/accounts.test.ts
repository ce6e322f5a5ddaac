/** What the runs of tasks took, told to whoever asks: listeners of the supervisor, events, hooks behind the function. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskEvent } from '../../src/actors/index.js';
import type { HueyEvent } from '../../src/api/index.js';
import type { TaskAccounts } from '../../src/runtime/run-accounts.js';
import { threadCpuMs } from '../../src/runtime/thread-cpu.js';
import { poll } from '../support/poll.js';
import { accountTasks } from './account-world.js';

const CAN_COUNT_CPU = threadCpuMs() !== undefined;
/** The kernel counts in steps of its clock, and a loaded machine gives a thread less than all of a core. */
const BUSY_MS = 200;

describe('accounts', () => {
  it('tell a listener how long a task ran, calculated and waited, and how often it ran', async (t) => {
    const { world, tasks } = await accountTasks(t, 'redis');
    const told = new Map<string, TaskEvent[]>();
    const supervisor = world.consumer({ file: 'account-tasks', workers: 1 });
    for (const name of ['complete', 'retrying', 'failed', 'timeout'] as const) {
      supervisor.on(name, (event) => told.set(name, [...(told.get(name) ?? []), event]));
    }
    // At the same moment: what they waited is compared.
    const [first, second] = await Promise.all([tasks.calculate(BUSY_MS), tasks.doze(BUSY_MS)]);
    await supervisor.start();
    await Promise.all([first, second].map((result) => result.get({ blocking: true, timeout: 20 })));
    const early = await tasks.calculate.schedule({ args: [1], delay: 0.5 });
    await early.get({ blocking: true, timeout: 20 });
    await (await tasks.failTwice()).get({ blocking: true, timeout: 20 }).catch(() => undefined);
    await (await tasks.spinBriefly()).get({ blocking: true, timeout: 20 }).catch(() => undefined);
    await poll('all events', () => told.get('complete')?.length === 3 && told.has('failed') && told.has('timeout'));
    const complete = told.get('complete') ?? [];
    const of = ({ id }: { id: string }): TaskAccounts => accountsIn(complete.find(({ task }) => task.id === id));
    const [busy, dozed, scheduled] = [of(first), of(second), of(early)];
    assert.ok(busy.wall >= BUSY_MS / 1000);
    assert.equal(complete.find(({ task }) => task.id === first.id)?.duration, busy.wall);
    // One of them waited for the other.
    assert.ok(Math.abs((dozed.wait ?? NaN) - (busy.wait ?? NaN)) > BUSY_MS / 2000, JSON.stringify(complete));
    assert.ok(dozed.wall >= BUSY_MS / 1000 - 0.002);
    // It did not wait before it was due: half a second, less what the poll of a due task takes.
    assert.ok((scheduled.wait ?? -1) >= 0);
    assert.deepEqual([busy.attempts, dozed.attempts], [1, 1]);
    if (CAN_COUNT_CPU) assert.ok((busy.cpu ?? 0) > 2 * (dozed.cpu ?? Infinity), `${busy.cpu} and ${dozed.cpu}`);
    assert.deepEqual(
      [told.get('retrying')?.[0], told.get('failed')?.[0]].map((event) => accountsIn(event).attempts),
      [1, 2],
    );
    // Of the second attempt; from when on it counts is test/runtime/lifecycle.test.ts's.
    assert.ok((accountsIn(told.get('failed')?.[0]).wait ?? -1) >= 0);
    assert.ok(accountsIn(told.get('timeout')?.[0]).wall > 0);
  });

  it('travel with events to other processes, and are there for hooks', async (t) => {
    const { world, tasks, journal } = await accountTasks(t, 'sqlite', { journal: true });
    const events = tasks.huey.events();
    await events.listening;
    const finished: HueyEvent[] = [];
    const reading = (async () => {
      for await (const event of events) if (event.status === 'finished') finished.push(event);
    })();
    await world.start({ file: 'account-tasks', module: tasks.module, workers: 1 });
    await poll('the consumer to listen', async () => {
      await (await tasks.calculate(20)).get({ blocking: true, timeout: 20 });
      return finished.length > 0;
    });
    await events.return();
    await reading;
    const [event] = finished;
    assert.ok(event && (event.duration ?? 0) >= 0.02 && (event.wait ?? -1) >= 0);
    assert.equal(event.attempts, 1);
    assert.equal(event.cpu === undefined, !CAN_COUNT_CPU);
    const [noted] = journal.lines().map((line) => JSON.parse(line) as { name: string; accounts: TaskAccounts });
    assert.equal(noted?.name, 'calculate');
    assert.ok(noted.accounts.wall >= 0.02 && (noted.accounts.wait ?? -1) >= 0);
    assert.equal(noted.accounts.attempts, 1);
  });

  it('leave out the processor where others run in the thread meanwhile', async (t) => {
    const { world, tasks } = await accountTasks(t, 'sqlite');
    const supervisor = world.consumer({ file: 'account-tasks', workers: 1, concurrency: 2 });
    const told: TaskEvent[] = [];
    supervisor.on('complete', (event) => told.push(event));
    await supervisor.start();
    await (await tasks.doze(5)).get({ blocking: true, timeout: 20 });
    await (await tasks.calculate(5)).get({ blocking: true, timeout: 20 });
    await poll('both events', () => told.length === 2);
    const [dozed, calculated] = told.map(accountsIn);
    assert.equal(dozed?.cpu, undefined);
    assert.equal(calculated?.cpu === undefined, !CAN_COUNT_CPU);
  });
});

function accountsIn(event: TaskEvent | undefined): TaskAccounts {
  assert.ok(event?.accounts, JSON.stringify(event));
  return event.accounts;
}
