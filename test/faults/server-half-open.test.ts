/** Connections that take everything and give nothing: what a router that lost its memory, or a host that lost its power, leaves behind. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { COMMAND_TIMEOUT_MS } from '../../src/runtime/limits.js';
import { poll } from '../support/poll.js';
import type { ConsumerProcess } from './harness/processes.js';
import { startProxy } from './harness/proxy.js';
import { fault } from './harness/scenario.js';
import { TASKS, type FaultWorld } from './harness/world.js';

/** A promise of F17. */
const RECOVERED_MS = 5000;
/** For a machine that is busy with other tests: on top of the promises. */
const SLACK_MS = 2000;
const SWALLOW_MS = 8000;

describe('half-open connections', { concurrency: false }, () => {
  fault('F17', 'half-open connections of one of two consumers under load', {}, async (world) => {
    const proxy = await startProxy({ after: (hook) => world.onEnd(hook) }, world.redis);
    await world.enqueue(TASKS);
    const [behind, beside] = await Promise.all([world.startConsumer({ url: proxy.url }), world.startConsumer()]);
    await poll('runs of both', () => [behind, beside].every(({ pid }) => runsOf(world, pid) >= 100));
    const heldBack = Date.now();
    proxy.deafen();
    // There is work for it when it comes back, however long that takes.
    const more = keepBusy(world);
    await sleep(500);
    const next = await poll('a run of the consumer that was cut off', () =>
      world.journal.runs().find(({ pid, at }) => pid === behind.pid && at > heldBack + 1000),
    );
    more.stop();
    await more.ended;
    await world.settled();
    await world.quiet();
    assertLives([behind, beside]);
    const took = next.at - heldBack;
    assert.ok(took < COMMAND_TIMEOUT_MS + RECOVERED_MS + SLACK_MS, `back after ${took} ms`);
    return world.report({ recoveryMs: took });
  });

  fault('F17', 'half-open connections of a consumer that waits for work', {}, async (world) => {
    const proxy = await startProxy({ after: (hook) => world.onEnd(hook) }, world.redis);
    const consumer = await world.startConsumer({ url: proxy.url, lease: 15 });
    await poll('a wait for work', () => (proxy.delivered.get('BLMOVE') ?? 0) >= 1);
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      await sleep(world.random.integer(0, 3000));
      proxy.deafen();
      const at = Date.now();
      const [id = ''] = await world.enqueue(1);
      waits.push(await poll('its run', () => world.journal.byId().get(id)?.[0]).then((run) => run.at - at));
    }
    await world.settled();
    await world.quiet();
    assertLives([consumer]);
    assert.ok(Math.max(...waits) < RECOVERED_MS + SLACK_MS, `run after ${waits.join(', ')} ms`);
    return world.report({ recoveryMs: Math.max(...waits), note: `from the call to its run: ${waits.join(', ')} ms` });
  });

  fault('F17', `everything is swallowed for ${SWALLOW_MS / 1000} s, new connections too`, {}, async (world) => {
    const proxy = await startProxy({ after: (hook) => world.onEnd(hook) }, world.redis);
    await world.enqueue(TASKS);
    const consumers = await Promise.all([world.startConsumer({ url: proxy.url }), world.startConsumer({ url: proxy.url })]);
    await poll('some runs', () => world.journal.count() >= 200);
    proxy.swallow();
    await sleep(SWALLOW_MS);
    proxy.resume();
    const overAt = Date.now();
    const next = await poll('a run', () => world.journal.runs().find(({ at }) => at > overAt));
    await world.settled();
    await world.quiet();
    assertLives(consumers);
    const took = next.at - overAt;
    assert.ok(took < RECOVERED_MS + SLACK_MS, `back after ${took} ms`);
    const report = await world.report({ recoveryMs: took });
    // Nobody was heard, so nobody was dead.
    for (const consumer of consumers) assert.deepEqual(consumer.logged(/silent/), []);
    assert.equal(report.duplicates, 0);
    return report;
  });
});

function runsOf(world: FaultWorld, pid: number): number {
  return world.journal.runs().filter((run) => run.pid === pid).length;
}

/** Enqueues some tasks every 100 ms. */
function keepBusy(world: FaultWorld): { stop: () => void; ended: Promise<void> } {
  let busy = true;
  const go = async (): Promise<void> => {
    while (busy) {
      await world.enqueue(20);
      await sleep(100);
    }
  };
  return { stop: () => (busy = false), ended: go() };
}

function assertLives(consumers: readonly ConsumerProcess[]): void {
  for (const consumer of consumers) assert.doesNotThrow(() => process.kill(consumer.pid, 0), consumer.output());
}
