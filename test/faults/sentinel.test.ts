/** F15: the master that sentinels watch dies, or hands over. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StorageRefused, StorageUnavailable } from '../../src/runtime/errors.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { items, tellings, Consumer } from '../storage/world.js';
import { poll } from '../support/poll.js';
import { startSentinels, type SentinelWorld } from '../support/redis-sentinel.js';
import type { ConsumerProcess } from './harness/processes.js';
import { fault, type FaultWorld } from './harness/scenario.js';
import { TASKS } from './harness/world.js';

/** A promise of F15. */
const GOES_ON_MS = 15_000;
const FAILOVERS = 5;
/** How long one try waits for a push; there are many. */
const PUSH_MS = 200;

describe('a master and its sentinels', { concurrency: false }, () => {
  fault('F15', 'SIGKILL the master', { storage: 'sentinel' }, async (world) => {
    const servers = await begin(world);
    await world.enqueue(TASKS);
    await servers.inStep();
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    await poll('some runs', () => world.journal.count() >= TASKS / 10);
    const master = await servers.master();
    const killedAt = Date.now();
    await master.kill('SIGKILL');
    await poll('another master', async () => (await servers.master()).port !== master.port);
    world.serverUrl = (await servers.master()).url;
    await world.settled();
    const gap = longestGap(world, killedAt);
    assert.ok(gap <= GOES_ON_MS, `it went on after ${gap} ms`);
    // What is stored by the new master is there, whatever the old one had acknowledged before.
    await world.enqueue(20);
    await world.settled();
    assertLives(consumers);
    await world.quiet();
    return world.report({ recoveryMs: gap });
  });

  fault('F15', `SENTINEL FAILOVER ${FAILOVERS} times`, { storage: 'sentinel' }, async (world) => {
    const servers = await begin(world);
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    const gaps: number[] = [];
    for (let n = 0; n < FAILOVERS; n++) {
      await world.enqueue(TASKS / FAILOVERS);
      const runs = world.journal.count() + 20;
      await poll('some runs', () => world.journal.count() >= runs);
      const at = Date.now();
      await servers.failover();
      world.serverUrl = (await servers.master()).url;
      await world.settled();
      gaps.push(longestGap(world, at));
    }
    const gap = Math.max(...gaps);
    assert.ok(gap <= GOES_ON_MS, `it went on after ${gap} ms`);
    assertLives(consumers);
    await world.quiet();
    return world.report({ recoveryMs: gap });
  });
});

describe('the storage of a master that sentinels name', () => {
  it('goes on at the new master, with waits and news, and by the password of the sentinels', { timeout: 120_000 }, async (t) => {
    const servers = await startSentinels({ sentinelPassword: 'sesame' });
    t.after(() => servers.stop());
    const storage = new RedisStorage('q', { kind: 'redis', url: servers.url });
    t.after(() => storage.close());
    assert.doesNotMatch(storage.address, /sesame/);
    await storage.register('c', 60_000);
    const consumer = new Consumer(storage, 'c');
    const told = tellings(storage);
    await storage.watch(['before']);
    await servers.failover();
    let n = 0;
    // A push that falls between two connections is missed, as a hint may be; those after it come.
    await poll('the news of a task that ends at the new master', async () => {
      const id = `after${n++}`;
      await storage.watch([id]);
      await storage.enqueue(items([id]));
      assert.deepEqual(await consumer.takeIds(), [id]);
      await consumer.finish(id);
      await sleep(PUSH_MS);
      return told.get(id)?.state === 'done';
    });
  });

  it('says what is wrong with the sentinels', { timeout: 120_000 }, async (t) => {
    const servers = await startSentinels({ sentinels: 1, sentinelPassword: 'sesame' });
    t.after(() => servers.stop());
    const wrong: [url: string, kind: typeof StorageRefused | typeof StorageUnavailable, message: RegExp][] = [
      [servers.url.replace('sesame', 'open'), StorageRefused, /WRONGPASS/],
      [servers.url.replace(/\?.*/, ''), StorageRefused, /NOAUTH/],
      [servers.url.replace('mymaster', 'nobody'), StorageUnavailable, /no sentinel names the master: .*No such master/],
    ];
    for (const [url, kind, message] of wrong) {
      const storage = new RedisStorage('q', { kind: 'redis', url });
      t.after(() => storage.close());
      await assert.rejects(storage.open(), (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
  });
});

async function begin(world: FaultWorld): Promise<SentinelWorld> {
  const servers = await startSentinels();
  world.onEnd(() => servers.stop());
  world.url = servers.url;
  world.serverUrl = (await servers.master()).url;
  return servers;
}

/** Between two runs that began one after the other, from then on. */
function longestGap(world: FaultWorld, from: number): number {
  const times = [from, ...world.journal.runs().map(({ at }) => at)].filter((at) => at >= from).sort((a, b) => a - b);
  return times.slice(1).reduce((longest, at, n) => Math.max(longest, at - (times[n] ?? at)), 0);
}

function assertLives(consumers: readonly ConsumerProcess[]): void {
  for (const consumer of consumers) {
    assert.doesNotThrow(() => process.kill(consumer.pid, 0), consumer.output());
    assert.deepEqual(consumer.logged(/cannot go on|ended/), []);
  }
}
