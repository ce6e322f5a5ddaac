/** Consumers as processes that are killed, stopped and taken for dead, and servers that are killed under them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startNode, type TestChild } from '../support/child.js';
import { poll } from '../support/poll.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { makeTempDir } from '../support/temp-dir.js';
import { ConsumerWorld, fixtureUrl } from './consumer-world.js';

const CONSUMER = fileURLToPath(new URL('../fixtures/consumer.js', import.meta.url));
const TASKS = 2000;
const TASK_MS = 5;
const LEASE_SECONDS = 2;
const QUIET_MS = 60_000;

function startConsumer(t: TestContext, world: ConsumerWorld, options: object = {}): TestChild {
  const module = fixtureUrl('tasks', world.queue, world.url).href;
  const child = startNode([CONSUMER, JSON.stringify({ module, workers: 2, lease: LEASE_SECONDS, ...options })]);
  t.after(async () => void (await child.stop()));
  return child;
}

async function enqueueWork(world: ConsumerWorld, file: string, count = TASKS): Promise<void> {
  const { huey, work } = world.tasks;
  await huey.enqueueMany(Array.from({ length: count }, (_, i) => work.s(file, String(i), TASK_MS)));
}

/** Everything ran, nothing is left over; gives how many runs there were beyond the first of each. */
async function allRan(world: ConsumerWorld, lines: () => string[], count = TASKS): Promise<number> {
  await world.drained(QUIET_MS);
  const ran = lines();
  assert.equal(new Set(ran).size, count);
  const { ready, scheduled, running, dead } = await world.counts();
  assert.deepEqual({ ready, scheduled, running, dead }, { ready: 0, scheduled: 0, running: 0, dead: 0 });
  return ran.length - count;
}

for (const kind of ['redis', 'sqlite'] as const) {
  describe(`a consumer that is killed in the middle of ${TASKS} tasks, on ${kind}`, () => {
    it('loses none of them', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { file, lines } = world.journal();
      await enqueueWork(world, file);
      const first = startConsumer(t, world);
      await poll('the middle', () => lines().length > TASKS / 4);
      await first.stop();
      assert.ok(lines().length < TASKS);
      startConsumer(t, world);
      const twice = await allRan(world, lines);
      // At most what it held: two chunks of each of two places.
      assert.ok(twice <= 4 * 256, `${twice} ran twice`);
    });
  });
}

describe('a consumer that stands still for longer than its lease', () => {
  it('is reaped, its late commits are refused, and it goes on under a new id', async (t) => {
    const world = await ConsumerWorld.make(t, { kind: 'redis' });
    const { file, lines } = world.journal();
    const stopped = startConsumer(t, world);
    await stopped.waitFor(/is running/);
    await enqueueWork(world, file, 1000);
    await poll('its first tasks', () => lines().length > 50);
    startConsumer(t, world);
    await poll('both', async () => (await world.counts()).consumers === 2);
    stopped.kill('SIGSTOP');
    await poll('its end', async () => (await world.counts()).consumers === 1, QUIET_MS);
    stopped.kill('SIGCONT');
    await stopped.waitFor(/it starts anew/);
    await poll('its return', async () => (await world.counts()).consumers === 2, QUIET_MS);
    await allRan(world, lines, 1000);
    await enqueueWork(world, file, 100);
    await allRan(world, () => lines().slice(-100), 100);
    assert.equal(await Promise.race([stopped.exited, Promise.resolve('alive')]), 'alive');
  });
});

describe('a server that is killed under a consumer and started again', () => {
  it('costs nothing, and the consumer goes on', async (t) => {
    const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const folder = await makeTempDir();
    const servers: RedisServer[] = [await startRedis(args, { directory: folder })];
    t.after(async () => void (await Promise.all(servers.map((server) => server.stop()))));
    const [first] = servers;
    assert.ok(first);
    const world = await ConsumerWorld.at(t, first.url, folder);
    const { file, lines } = world.journal();
    await enqueueWork(world, file, 1000);
    const consumer = startConsumer(t, world);
    await poll('the middle', () => lines().length > 200);
    await first.kill('SIGKILL');
    await consumer.waitFor(/not reachable/);
    servers.push(await startRedis(args, { port: first.port, directory: folder }));
    await allRan(world, lines, 1000);
    await consumer.waitFor(/reachable again/);
    assert.equal(consumer.output().match(/not reachable/g)?.length, 1);
    consumer.kill('SIGTERM');
    assert.deepEqual(await consumer.exited, { code: 0, signal: null });
    assert.equal(path.dirname(file), folder);
  });
});
