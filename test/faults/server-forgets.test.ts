/** The server forgets its scripts again and again, and takes its time to load its data. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../support/poll.js';
import { redisCommand } from './harness/redis-wire.js';
import { fault } from './harness/scenario.js';
import { DURABLE, TASKS, type FaultWorld } from './harness/world.js';

const FLUSH_EVERY_MS = 100;
const OTHER_KEYS = 2000;
/** So many microseconds for each write that it reads again: some 1.5 s for them all, well below what a producer waits. */
const LOAD_DELAY_US = '150';

// One that keeps what it has: of any other a consumer warns when it starts.
fault('F18', `SCRIPT FLUSH every ${FLUSH_EVERY_MS} ms`, { redisArgs: DURABLE }, async (world) => {
  const consumers = [await world.startConsumer(), await world.startConsumer()];
  const producer = world.startProducer({ n: 300, prefix: 'p' });
  let flushes = 0;
  let storming = true;
  const storm = (async () => {
    while (storming) {
      await redisCommand(world.redis.port, 'SCRIPT', 'FLUSH');
      flushes += 1;
      await sleep(FLUSH_EVERY_MS);
    }
  })();
  const { work } = await world.tasks();
  for (let sent = 0; sent < TASKS; sent += 100) {
    await world.enqueue(100);
    const result = await work(5);
    world.enqueued.push(result.id);
    assert.equal(await result.get({ blocking: true, timeout: 60, preserve: true }), 5);
  }
  assert.equal((await producer.exited).code, 0, producer.output());
  world.enqueued.push(...producer.stored());
  await world.settled();
  storming = false;
  await storm;
  await world.quiet();
  assert.ok(flushes >= 10, `the scripts were forgotten ${flushes} times`);
  for (const consumer of consumers) assert.deepEqual(troubles(consumer), []);
  const report = await world.report({ note: `${flushes} times` });
  assert.equal(report.duplicates, 0);
  return report;
});

fault('F18', 'a server that is loading', { redisArgs: [...DURABLE, '--key-load-delay', LOAD_DELAY_US] }, async (world) => {
  const fill = `for i = 1, ${OTHER_KEYS} do redis.call('SET', 'other:' .. i, i) end`;
  await redisCommand(world.redis.port, 'EVAL', fill, '0');
  await world.enqueue(TASKS);
  const consumers = [await world.startConsumer(), await world.startConsumer()];
  const producer = world.startProducer({ n: 200, prefix: 'p' });
  await poll('some runs', () => world.journal.count() >= 200);
  await world.redis.kill('SIGKILL');
  let loadingSince = 0;
  const seen = poll('the server loading', async () => {
    const info = String(await redisCommand(world.redis.port, 'INFO', 'persistence'));
    if (info.includes('\nloading:1')) loadingSince ||= Date.now();
    return loadingSince > 0 && info.includes('\nloading:0');
  });
  await world.startServer();
  const loadedAt = Date.now();
  await seen;
  const next = await poll('a run', () => world.journal.runs().find(({ at }) => at > loadedAt));
  assert.equal((await producer.exited).code, 0, producer.output());
  world.enqueued.push(...producer.stored());
  await world.settled();
  await world.quiet();
  for (const consumer of consumers) assert.deepEqual(consumer.logged(/silent|cannot go on/), []);
  const report = await world.report({ recoveryMs: next.at - loadedAt, note: `it loaded for ${loadedAt - loadingSince} ms or more` });
  assert.equal(report.duplicates, 0);
  return report;
});

function troubles(consumer: Awaited<ReturnType<FaultWorld['startConsumer']>>): unknown[] {
  return consumer.logged().filter(({ level }) => level === 'warn' || level === 'error');
}
