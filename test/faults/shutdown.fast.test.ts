/** F22 and F23: a stop that does not wait for what runs, and a death while a lock is held. */
import assert from 'node:assert/strict';
import { decodeHead } from '../../src/runtime/message.js';
import { poll } from '../support/poll.js';
import { LOAD_MS, REAP_INTERVAL_MS } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';
import { LEASE_MS, WORKERS } from './harness/world.js';

const GRACE_SECONDS = 1;
const EXIT_MS = 1500;
const LONG_MS = 3000;

for (const storage of ['redis', 'sqlite'] as const) {
  fault('F22', `SIGTERM under load, grace ${GRACE_SECONDS} s, tasks of ${LONG_MS / 1000} s`, { storage }, async (world) => {
    const consumer = await world.startConsumer({ args: ['--grace', String(GRACE_SECONDS)] });
    const ids = await world.enqueue(3 * WORKERS, (_i, { work }) => work.s(LONG_MS));
    await poll('all places to be taken', () => world.journal.count() === WORKERS);
    const termedAt = performance.now();
    assert.deepEqual(await consumer.stop(), { code: 0, signal: null });
    const exitMs = Math.round(performance.now() - termedAt);
    assert.ok(exitMs >= GRACE_SECONDS * 1000, `what runs had its grace: ${exitMs} ms`);
    assert.ok(exitMs <= EXIT_MS + LOAD_MS, `it ended after ${exitMs} ms`);

    const heads = (await (await world.storage()).list('ready', 100)).map(({ text }) => decodeHead(text));
    assert.deepEqual(new Set(heads.map(({ id }) => id)), new Set(ids), 'all of it waits again, at once');
    for (const head of heads) assert.deepEqual([head.attempts, head.lapses, head.deaths], [0, 0, 0], 'nothing was charged');
    const interrupted = new Set(world.journal.runs().map(({ id }) => id));
    assert.ok(
      heads.slice(0, WORKERS).every(({ id }) => interrupted.has(id)),
      'what had begun comes first',
    );

    await world.startConsumer({ workers: 12 });
    const states = await world.settled();
    for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
    const report = await world.report({ note: `exit after ${exitMs} ms` });
    assert.equal(report.duplicates, WORKERS, 'what was interrupted ran once more, and nothing else');
    await world.quiet();
    return report;
  });

  fault('F23', 'SIGKILL while a lock is held', { storage }, async (world) => {
    const consumers = [await world.startConsumer({ workers: 1 }), await world.startConsumer({ workers: 1 })];
    const { locked, huey } = await world.tasks();
    const [held] = await world.enqueue(1, (_i, tasks) => tasks.locked.s('the lock', 1000));
    assert.ok(held);
    await poll('the lock to be held', async () => world.journal.count() === 1 && (await huey.isLocked('the lock')));
    await consumers.find(({ pid }) => pid === world.journal.runs()[0]?.pid)?.kill();
    const killedAt = Date.now();
    // As long as the lease lasts nobody knows that it is dead, and the lock is not free for others.
    const other = await locked('the lock', 1);
    await assert.rejects(other.get({ blocking: true, timeout: 30 }), { name: 'TaskLocked' });
    await world.settled([held]);
    const [, second] = world.journal.byId().get(held) ?? [];
    assert.ok(second, 'it ran again, and got the lock');
    assert.equal((await world.states([held])).get(held), 'done');
    const freeMs = second.at - killedAt;
    assert.ok(freeMs <= LEASE_MS + REAP_INTERVAL_MS + LOAD_MS, `the lock was free after ${freeMs} ms`);
    assert.equal(await huey.isLocked('the lock'), false);
    await world.quiet();
    return world.report({ recoveryMs: freeMs, note: 'refused to others until then' });
  });
}
