import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryHuey } from '../../src/api/index.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

const START_MS = Date.UTC(2030, 0, 1);

function movable(): { clock: () => number; pass: (seconds: number) => void } {
  let now = START_MS;
  return {
    clock: () => now,
    pass: (seconds) => {
      now += seconds * 1000;
    },
  };
}

describe('the clock of a queue in memory', () => {
  it('decides when what is scheduled is due', async () => {
    const { clock, pass } = movable();
    const queue = freshQueue();
    const huey = new MemoryHuey(queue, { clock });
    const job = huey.task(function job() {});
    const consumer = new HandConsumer(queue);
    await job.schedule({ delay: 3600 });
    pass(3599);
    assert.equal((await consumer.storage.promote(10)).promoted, 0);
    pass(1);
    assert.equal((await consumer.storage.promote(10)).promoted, 1);
    await huey.close();
  });

  it('decides in immediate mode about marks, rate limits and times to live', async () => {
    const { clock, pass } = movable();
    const huey = new MemoryHuey(freshQueue(), { clock, immediate: true, resultTtl: 60 });
    const job = huey.task(function job() {
      return 'beans';
    });
    await job.revoke({ revokeUntil: new Date(START_MS + 10_000) });
    await assert.rejects((await job()).get(), { code: 'revoked' });
    pass(11);
    const ran = await job();
    assert.equal(await ran.get({ preserve: true }), 'beans');
    const limit = huey.rateLimit('api', { limit: 1, per: 30 });
    await limit.run(() => undefined);
    assert.equal(await limit.currentUsage(), 1);
    pass(61);
    assert.equal(await limit.currentUsage(), 0);
    assert.equal(await huey.result(ran.id), undefined);
    await huey.close();
  });

  it('is a function', () => {
    assert.throws(() => new MemoryHuey(freshQueue(), { clock: 5 as never }), { code: 'bad-option' });
  });
});
