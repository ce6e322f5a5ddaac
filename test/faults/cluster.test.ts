/** F16: a cluster of three masters with replicas loses one, and moves the queue's slot while tasks run. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { Consumer, items } from '../storage/world.js';
import { poll } from '../support/poll.js';
import { startCluster, type ClusterNode, type RedisCluster } from '../support/redis-cluster.js';
import type { ConsumerProcess } from './harness/processes.js';
import { fault, type FaultWorld } from './harness/scenario.js';
import { TASKS } from './harness/world.js';

const GOES_ON_MS = 15_000;
const MOVES = 4;
/** What a neighbour's call may take on a machine that is busy with all of this. */
const NEIGHBOUR_MS = 2500;

describe('a cluster', { concurrency: false }, () => {
  fault('F16', 'SIGKILL the master that has the queue', { storage: 'cluster' }, async (world) => {
    const cluster = await begin(world, 1);
    const { ready } = new RedisKeys(world.queue);
    await world.enqueue(TASKS);
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    await poll('some runs', () => world.journal.count() >= TASKS / 10);
    const owner = await cluster.ownerOf(ready);
    const neighbour = await neighbourOf(world, cluster, owner);
    const killedAt = Date.now();
    await owner.server.kill('SIGKILL');
    await poll('another owner', async () => (await cluster.ownerOf(ready)).id !== owner.id);
    world.serverUrl = (await cluster.ownerOf(ready)).server.url;
    await world.settled();
    const gap = longestGap(world, killedAt);
    assert.ok(gap <= GOES_ON_MS, `it went on after ${gap} ms`);
    assertLives(consumers);
    await world.quiet();
    return world.report({ recoveryMs: gap, note: await neighbour.stop() });
  });

  fault('F16', `move the slot of the queue ${MOVES} times`, { storage: 'cluster' }, async (world) => {
    const cluster = await begin(world, 0);
    const { ready } = new RedisKeys(world.queue);
    const consumers = await Promise.all([world.startConsumer(), world.startConsumer()]);
    const neighbour = await neighbourOf(world, cluster, await cluster.ownerOf(ready));
    const producer = world.startProducer({ n: 300, prefix: 'p' });
    const gaps: number[] = [];
    for (let move = 0; move < MOVES; move++) {
      await world.enqueue(TASKS / MOVES);
      const runs = world.journal.count() + 20;
      await poll('some runs', () => world.journal.count() >= runs);
      const owner = await cluster.ownerOf(ready);
      const others = cluster.nodes.filter(({ id }) => id !== owner.id);
      const to = others[world.random.integer(0, others.length - 1)] ?? owner;
      const at = Date.now();
      await cluster.moveSlot(ready, to);
      world.serverUrl = to.server.url;
      await world.settled();
      gaps.push(longestGap(world, at));
    }
    assert.equal((await producer.exited).code, 0, producer.output());
    world.enqueued.push(...producer.stored());
    await world.settled();
    assertLives(consumers);
    await world.quiet();
    const report = await world.report({ recoveryMs: Math.max(...gaps), note: await neighbour.stop() });
    assert.equal(report.duplicates, 0);
    return report;
  });
});

async function begin(world: FaultWorld, replicas: number): Promise<RedisCluster> {
  const cluster = await startCluster({ replicas });
  world.onEnd(() => cluster.stop());
  world.url = cluster.url;
  world.serverUrl = (await cluster.ownerOf(new RedisKeys(world.queue).ready)).server.url;
  return cluster;
}

/** Another queue, on another node, in use until it is stopped: none of its calls may fail, and none may wait for long. */
async function neighbourOf(world: FaultWorld, cluster: RedisCluster, owner: ClusterNode): Promise<{ stop(): Promise<string> }> {
  let queue = `${world.queue}n`;
  while ((await cluster.ownerOf(new RedisKeys(queue).ready)).id === owner.id) queue += 'n';
  const storage = new RedisStorage(queue, { kind: 'redis', url: cluster.url });
  world.onEnd(() => storage.close());
  await storage.register('neighbour', 600_000);
  const consumer = new Consumer(storage, 'neighbour');
  let [stopped, rounds, longestMs] = [false, 0, 0];
  const ended = (async () => {
    while (!stopped) {
      const at = performance.now();
      const id = `n${rounds}`;
      await storage.enqueue(items([id]));
      assert.deepEqual(await consumer.takeIds(), [id]);
      assert.equal((await consumer.finish(id)).committed, 1);
      longestMs = Math.max(longestMs, performance.now() - at);
      rounds += 1;
    }
  })();
  // Its failure is told when it is stopped.
  ended.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await ended;
      assert.ok(rounds > 0);
      assert.ok(longestMs < NEIGHBOUR_MS, `a call of another queue took ${longestMs} ms`);
      return `another queue: ${rounds} rounds, the longest ${Math.round(longestMs)} ms`;
    },
  };
}

/** Between two runs that began one after the other, from then on. */
function longestGap(world: FaultWorld, from: number): number {
  const times = [from, ...world.journal.runs().map(({ at }) => at)].filter((at) => at >= from).sort((a, b) => a - b);
  return times.slice(1).reduce((longest, at, n) => Math.max(longest, at - (times[n] ?? at)), 0);
}

function assertLives(consumers: readonly ConsumerProcess[]): void {
  for (const consumer of consumers) {
    assert.doesNotThrow(() => process.kill(consumer.pid, 0), consumer.output());
    assert.doesNotMatch(consumer.output(), /CROSSSLOT|non local key/);
  }
}
