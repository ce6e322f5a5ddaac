/** F4: a consumer that stands still for longer than its lease, and comes back as if nothing had been. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from 'huey-runtime';
import { poll } from '../support/poll.js';
import type { ConsumerProcess } from './harness/processes.js';
import { fault } from './harness/scenario.js';
import { LEASE_MS, TASKS, WORKERS, type FaultWorld } from './harness/world.js';

const REAPED = /silent for longer than its lease/;

fault('F4', 'SIGSTOP a consumer for 3 L, then SIGCONT', {}, async (world) => {
  const [stopped] = [await world.startConsumer(), await world.startConsumer()];
  await world.enqueue(TASKS);
  await sleep(world.random.integer(200, 600));
  await standStill(world, stopped);
  const resumedAt = Date.now();
  const states = await world.settled();
  for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
  const refused = await refusedBy(stopped);
  // It works again, under a new name.
  const more = await world.enqueue(TASKS / 10);
  await world.settled(more);
  const again = world.journal.runs().find((run) => run.pid === stopped.pid && run.at >= resumedAt);
  assert.ok(again, 'it runs tasks again');
  await expectRepeatedOnlyBy(world, stopped.pid);
  await world.quiet();
  return world.report({ recoveryMs: again.at - resumedAt, note: `${refused} late commits refused` });
});

fault('F4', 'the same, and it leases the same tasks again itself', {}, async (world) => {
  const { stamp } = await world.tasks();
  // It looks for the dead, but its only place is taken for longer than all this takes.
  const other = await world.startConsumer({ workers: 1 });
  const busy = await world.enqueue(1, (_i, { work }) => work.s(8 * LEASE_MS));
  await poll('the other to be busy', () => world.journal.count() === 1);
  const stopped = await world.startConsumer();
  // What it holds when it stands still is in mid-run, and ends the moment it goes on: a late commit of each.
  const results = await Promise.all(Array.from({ length: WORKERS }, () => stamp(LEASE_MS)));
  world.enqueued.push(...results.map(({ id }) => id));
  await poll('all to run', () => world.journal.count() === 1 + WORKERS);
  const resumedAt = await standStill(world, stopped);
  await world.settled();
  const refused = await refusedBy(stopped);
  const runs = world.journal.byId();
  assert.equal(runs.get(busy[0] ?? '')?.[0]?.pid, other.pid);
  for (const result of results) {
    const [first, second, ...more] = runs.get(result.id) ?? [];
    assert.deepEqual([first?.pid, second?.pid, more.length], [stopped.pid, stopped.pid, 0], 'it ran twice, both times there');
    await expectResultOf(result, second?.at);
  }
  await world.quiet();
  const again = Math.min(...results.map(({ id }) => runs.get(id)?.[1]?.at ?? Infinity));
  return world.report({ recoveryMs: again - resumedAt, note: `${refused} late commits refused` });
});

/** Gives the instant at which it went on. */
async function standStill(world: FaultWorld, consumer: ConsumerProcess): Promise<number> {
  consumer.signal('SIGSTOP');
  world.onEnd(async () => consumer.signal('SIGCONT'));
  await sleep(3 * LEASE_MS);
  const resumedAt = Date.now();
  consumer.signal('SIGCONT');
  await consumer.waitFor(REAPED);
  return resumedAt;
}

/** How many commits of the consumer were refused, as its log tells. */
async function refusedBy(consumer: ConsumerProcess): Promise<number> {
  const [line] = consumer.logged(REAPED);
  const refused = line?.['refused'];
  assert.ok(typeof refused === 'number' && refused > 0, `late commits are counted: ${JSON.stringify(line)}`);
  return refused;
}

/**
 * What ran twice had been held by the process that stood still. It may be the later of the two: what had been leased but
 * not begun begins there when it goes on, before it learns that its lease is over.
 */
async function expectRepeatedOnlyBy(world: FaultWorld, pid: number): Promise<void> {
  for (const [id, runs] of world.journal.byId()) {
    if (runs.length === 1) continue;
    assert.equal(runs.length, 2, `task ${id} ran ${runs.length} times`);
    assert.ok(
      runs.some((run) => run.pid === pid),
      `task ${id} ran twice, and never where it stood still`,
    );
  }
}

async function expectResultOf(result: Result<number>, at: number | undefined): Promise<void> {
  assert.equal(
    await result.get({ preserve: true }),
    at,
    'the result is that of the second run: the late commit of the first did not count',
  );
}
