/** The server is killed, stopped for a while, or hangs up on everybody again and again. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../support/poll.js';
import type { ConsumerProcess } from './harness/processes.js';
import { redisCommand } from './harness/redis-wire.js';
import { fault } from './harness/scenario.js';
import { DURABLE, TASKS } from './harness/world.js';

const SERVER_KILLS = 3;
/** Longer than the lease, and shorter than what a producer waits. */
const FROZEN_MS = 5000;
const STORM_MS = 20_000;
const STORM_EVERY_MS = 200;
/** A promise of F7. */
const GOES_ON_MS = 3000;

describe('a server that fails', { concurrency: false }, () => {
  fault('F5', 'SIGKILL the server, start it again', { redisArgs: DURABLE }, async (world) => {
    await world.enqueue(TASKS);
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    const producer = world.startProducer({ n: 200, prefix: 'p' });
    const started: number[] = [];
    for (let kill = 1; kill <= SERVER_KILLS; kill++) {
      const runs = world.journal.count() + world.random.integer(50, 300);
      await poll('more runs', () => world.journal.count() >= runs);
      await world.redis.kill('SIGKILL');
      await world.startServer();
      const at = Date.now();
      started.push(await poll('a run', () => world.journal.runs().find((run) => run.at > at + 50)?.at).then((next) => next - at));
    }
    assert.equal((await producer.exited).code, 0, producer.output());
    world.enqueued.push(...producer.stored());
    await world.settled();
    await world.quiet();
    assertLives(consumers);
    assertNobodyReaped(consumers);
    const report = await world.report({ recoveryMs: Math.max(...started) });
    assert.equal(report.duplicates, 0);
    return report;
  });

  fault('F6', `SIGSTOP the server for ${FROZEN_MS / 1000} s`, {}, async (world) => {
    await world.enqueue(TASKS);
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    await poll('some runs', () => world.journal.count() >= 200);
    await world.redis.kill('SIGSTOP');
    await sleep(FROZEN_MS);
    const wokenAt = Date.now();
    await world.redis.kill('SIGCONT');
    const next = await poll('a run', () => world.journal.runs().find((run) => run.at > wokenAt + 50)?.at);
    await world.settled();
    await world.quiet();
    assertLives(consumers);
    assertNobodyReaped(consumers);
    const report = await world.report({ recoveryMs: next - wokenAt });
    assert.equal(report.duplicates, 0);
    return report;
  });

  fault('F7', `CLIENT KILL every ${STORM_EVERY_MS} ms for ${STORM_MS / 1000} s`, {}, async (world) => {
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    const endsAt = Date.now() + STORM_MS;
    let killed = 0;
    const storm = (async () => {
      while (Date.now() < endsAt) {
        killed += Number(await redisCommand(world.redis.port, 'CLIENT', 'KILL', 'TYPE', 'normal'));
        await sleep(STORM_EVERY_MS);
      }
    })();
    for (let sent = 0; sent < TASKS; sent += TASKS / 20) {
      await world.enqueue(TASKS / 20);
      await Promise.race([storm, sleep(STORM_MS / 20)]);
    }
    await storm;
    const overAt = Date.now();
    const [last = ''] = await world.enqueue(1);
    const run = await poll('a run', () => world.journal.byId().get(last)?.[0]);
    assert.ok(run.at - overAt < GOES_ON_MS, `leases went on only after ${run.at - overAt} ms`);
    await world.settled();
    await world.quiet();
    assertLives(consumers);
    assertNobodyReaped(consumers);
    assert.ok(killed > 100, `only ${killed} connections were ended`);
    const report = await world.report({ recoveryMs: run.at - overAt, note: `${killed} connections ended` });
    assert.equal(report.duplicates, 0);
    return report;
  });
});

function assertLives(consumers: readonly ConsumerProcess[]): void {
  for (const consumer of consumers) assert.doesNotThrow(() => process.kill(consumer.pid, 0), consumer.output());
}

function assertNobodyReaped(consumers: readonly ConsumerProcess[]): void {
  for (const consumer of consumers) assert.deepEqual(consumer.logged(/silent/), []);
}
