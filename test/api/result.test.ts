import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  MemoryHuey,
  RateLimitExceeded,
  ResultGone,
  ResultsDisabled,
  ResultTimeout,
  TaskCanceled,
  TaskDead,
  TaskException,
  TaskExpired,
  TaskLocked,
  TaskRevoked,
  TaskTimeout,
  type HueyOptions,
} from '../../src/api/index.js';
import { HueyException } from '../../src/runtime/errors.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

async function setUp(options: HueyOptions = {}) {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue, options);
  const count = huey.task(async function count(n: number) {
    return `counted ${n}`;
  });
  const consumer = new HandConsumer(queue);
  const res = await count(5);
  return { huey, count, consumer, res };
}

function failed(code: string): string {
  return JSON.stringify({
    code,
    error: 'TypeError: no',
    name: 'TypeError',
    message: 'no',
    retries: 2,
    traceback: 'at x',
    taskId: 'other',
    willRetry: false,
  });
}

describe('a result', () => {
  it('is nothing while there is none, then the value, taken from the storage and kept in the handle', async () => {
    const { huey, res, consumer } = await setUp();
    assert.equal(await res.get(), undefined);
    assert.equal(await res.isReady(), false);
    await consumer.take();
    await consumer.complete(res.id, 'counted 5');
    assert.equal(await res.isReady(), true);
    assert.equal(await res(), 'counted 5');
    assert.equal(await res.get(), 'counted 5');
    assert.equal(await res.isReady(), true);
    assert.equal(await huey.result(res.id), undefined);
    await assert.rejects(huey.result(res.id, { blocking: true }), ResultGone);
    res.reset();
    assert.equal(await res.get(), undefined);
  });

  it('stays in the storage with preserve', async () => {
    const { huey, res, consumer } = await setUp();
    await consumer.take();
    await consumer.complete(res.id, 'x');
    assert.equal(await res.get({ preserve: true }), 'x');
    res.reset();
    assert.equal(await res.get({ preserve: true, blocking: true }), 'x');
    assert.equal(await huey.result(res.id), 'x');
    assert.equal(await huey.result(res.id), undefined);
  });

  it('is no promise: awaiting the handle gives the handle', async () => {
    const { res } = await setUp();
    assert.equal('then' in res, false);
    assert.equal(await Promise.resolve(res), res);
    assert.equal(typeof res, 'function');
  });

  it('is waited for, early and late', async () => {
    const { huey, res, consumer } = await setUp();
    const early = res.get({ blocking: true });
    const other = huey.result(res.id, { blocking: true, preserve: true });
    await consumer.take();
    await consumer.complete(res.id, new Map([['a', 1]]));
    assert.deepEqual(await early, new Map([['a', 1]]));
    assert.deepEqual(await other, new Map([['a', 1]]));
    const late = await setUp();
    await late.consumer.take();
    await late.consumer.complete(late.res.id, 'y');
    assert.equal(await late.res({ blocking: true, timeout: 5 }), 'y');
  });

  it('of a task that returned nothing settles as well, for every reader', async () => {
    const { huey, res, consumer } = await setUp();
    const waiting = res.get({ blocking: true });
    await consumer.take();
    await consumer.end(res.id, 'done');
    assert.equal(await waiting, undefined);
    assert.equal(await res.isReady(), true);
    assert.equal(await huey.result(res.id, { blocking: true }), undefined);
  });

  it('may be null or undefined where those are stored', async () => {
    const { res, consumer } = await setUp({ storeNone: true });
    await consumer.take();
    await consumer.complete(res.id, null);
    assert.equal(await res.get({ blocking: true }), null);
  });

  it('times out, and can revoke the task then', async () => {
    const { res } = await setUp();
    await assert.rejects(res.get({ blocking: true, timeout: 0.005 }), (error) => error instanceof ResultTimeout && error.taskId === res.id);
    assert.equal(await res.isRevoked(), false);
    await assert.rejects(res.get({ blocking: true, timeout: 0.005, revokeOnTimeout: true }), ResultTimeout);
    assert.equal(await res.isRevoked(), true);
  });

  it('tells by the error how the task ended', async () => {
    const endings = [
      ['failed', failed('error'), TaskException, 'error'],
      ['failed', failed('payload'), TaskException, 'payload'],
      ['failed', failed('timeout'), TaskTimeout, 'timeout'],
      ['failed', failed('locked'), TaskLocked, 'locked'],
      ['failed', failed('rate-limited'), RateLimitExceeded, 'rate-limited'],
      ['failed', 'not json', TaskException, 'error'],
      ['canceled', '{"reason":"enough"}', TaskCanceled, 'canceled'],
      ['revoked', '', TaskRevoked, 'revoked'],
      ['expired', '', TaskExpired, 'expired'],
      ['dead', '{"reason":"killed 4 threads"}', TaskDead, 'dead'],
      ['dead', '', TaskDead, 'dead'],
    ] as const;
    for (const [state, payload, Class, code] of endings) {
      const { res, consumer } = await setUp();
      const waiting = assert.rejects(res.get({ blocking: true }), (error) => error instanceof Class && error.code === code);
      await consumer.take();
      await consumer.end(res.id, state, payload);
      await waiting;
      await assert.rejects(res.get(), Class);
    }
  });

  it('of a failed task says what is known of the failure, once', async () => {
    const { huey, res, consumer } = await setUp();
    await consumer.take();
    await consumer.end(res.id, 'failed', failed('error'));
    await assert.rejects(res.get(), (error) => {
      assert.ok(error instanceof TaskException);
      assert.equal(error.message, 'TypeError: no');
      assert.deepEqual(error.metadata, { error: 'TypeError: no', retries: 2, traceback: 'at x', taskId: res.id, willRetry: false });
      return true;
    });
    await assert.rejects(huey.result(res.id, { blocking: true }), ResultGone);
  });

  it('names the reason of a cancel and of a death', async () => {
    const { res, consumer } = await setUp();
    await consumer.take();
    await consumer.end(res.id, 'canceled', '{"reason":"enough"}');
    await assert.rejects(res.get(), /was canceled: enough/);
  });

  it('cannot be read where results are off, but the end can be seen', async () => {
    const { res, consumer } = await setUp({ results: false });
    await assert.rejects(res.get(), ResultsDisabled);
    await assert.rejects(res.get({ blocking: true }), ResultsDisabled);
    await consumer.take();
    await consumer.end(res.id, 'done');
    assert.equal(await res.isReady(), true);
  });

  it('refuses unknown options', async () => {
    const { res } = await setUp();
    await assert.rejects(res.get({ block: true } as never), /did you mean "blocking"\?/);
    await assert.rejects(res.get({ blocking: 1 } as never), /blocking must be true or false/);
  });

  it('that is waited for ends with the Huey', async () => {
    const { huey, res } = await setUp();
    const waiting = assert.rejects(res.get({ blocking: true }), (error) => error instanceof HueyException && error.code === 'closed');
    await res.isReady();
    await huey.close();
    await waiting;
  });
});

describe('revoking an invocation', () => {
  it('is once by default, and by id until restored', async () => {
    const { huey, res, consumer } = await setUp();
    await res.revoke();
    assert.deepEqual(await consumer.storage.readMark({ id: res.id }), { once: true, untilMs: 0 });
    assert.equal(await huey.isRevoked(res.id), true);
    assert.equal(await res.restore(), true);
    assert.equal(await res.restore(), false);
    await huey.revokeById(res.id);
    assert.deepEqual(await consumer.storage.readMark({ id: res.id }), { once: false, untilMs: 0 });
    assert.equal(await huey.restoreById(res.id), true);
    assert.equal(await res.isRevoked(), false);
  });

  it('keeps it from starting, and who waits learns it', async () => {
    const { res, consumer } = await setUp();
    const waiting = assert.rejects(res.get({ blocking: true }), TaskRevoked);
    await res.revoke();
    assert.deepEqual(await consumer.take(), []);
    await waiting;
  });

  it('is seen through the mark of the whole task', async () => {
    const { count, res } = await setUp();
    await count.revoke();
    assert.equal(await res.isRevoked(), true);
  });

  it('by an impossible id is refused', async () => {
    const { huey } = await setUp();
    for (const id of ['', 'a b', 'ä', 'x'.repeat(129)]) await assert.rejects(huey.revokeById(id), { code: 'bad-id' });
  });
});
