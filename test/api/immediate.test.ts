import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CancelExecution, currentTask, MemoryHuey, RetryTask } from '../../src/api/index.js';
import { FREE_RETRIES_MAX } from '../../src/api/immediate.js';
import { freshQueue } from './hand-consumer.js';

function immediateHuey(): MemoryHuey {
  return new MemoryHuey(freshQueue(), { immediate: true });
}

describe('immediate mode', () => {
  it('runs a call before its promise resolves, and keeps the result', async () => {
    const huey = immediateHuey();
    const add = huey.task(async function add(a: number, b: number) {
      await setImmediate();
      return a + b;
    });
    const res = await add(1, 2);
    assert.equal(await res.isReady(), true);
    assert.equal(await res.get(), 3);
    assert.equal(await (await add(3, 4)).get({ blocking: true }), 7);
  });

  it('takes arguments and results through the serializer', async () => {
    const huey = immediateHuey();
    const given = { when: new Date(5), list: [1, undefined] };
    const back = huey.task(function back(value: typeof given) {
      assert.deepEqual(value, given);
      assert.notEqual(value, given);
      return value;
    });
    const value = await (await back(given)).get();
    assert.deepEqual(value, given);
    assert.notEqual(value, given);
    await assert.rejects(back({ ...given, list: [(() => 1) as never] }), { code: 'payload' });
    const broken = huey.task(function broken() {
      return () => 1;
    });
    await assert.rejects((await broken()).get(), { code: 'payload' });
  });

  it('is switched on and off', async () => {
    const huey = new MemoryHuey(freshQueue());
    let runs = 0;
    const work = huey.task(function work() {
      runs++;
    });
    assert.equal(huey.immediate, false);
    await work();
    assert.equal(runs, 0);
    huey.immediate = true;
    await work();
    assert.equal(runs, 1);
    huey.immediate = false;
    await work();
    assert.equal(runs, 1);
    assert.throws(() => (huey.immediate = 1 as never), { code: 'bad-option' });
    assert.throws(() => new MemoryHuey('x', { immediate: 'yes' as never }), { code: 'bad-option' });
  });

  it('lets an error be read, as the real consumer does', async () => {
    const huey = immediateHuey();
    const fail = huey.task(function fail() {
      throw new TypeError('no beans');
    });
    const res = await fail();
    await assert.rejects(res.get(), { name: 'TaskException', code: 'error', message: 'TypeError: no beans' });
  });

  it('retries without a wait, and counts', async () => {
    const huey = immediateHuey();
    const attempts: [number, number][] = [];
    const flaky = huey.task({ retries: 3, retryDelay: 3600 }, function flaky() {
      const { attempt, retries } = currentTask();
      attempts.push([attempt, retries]);
      if (attempt < 3) throw new Error('not yet');
      return 'done';
    });
    assert.equal(await (await flaky()).get(), 'done');
    assert.deepEqual(attempts, [
      [1, 3],
      [2, 2],
      [3, 1],
    ]);
  });

  it('retries what asks for it at once, and puts into the schedule what never stops asking', async () => {
    const huey = immediateHuey();
    let runs = 0;
    const thrice = huey.task(function thrice() {
      if (++runs < 3) throw new RetryTask({ delay: 60 });
      return runs;
    });
    assert.equal(await (await thrice()).get(), 3);
    runs = 0;
    const endless = huey.task(function endless() {
      runs++;
      throw new RetryTask();
    });
    assert.equal(await (await endless()).isReady(), false);
    assert.equal(runs, FREE_RETRIES_MAX + 1);
  });

  it('leaves in the schedule what is scheduled', async () => {
    const huey = immediateHuey();
    let runs = 0;
    const work = huey.task(function work() {
      runs++;
    });
    const signals: string[] = [];
    huey.signal((signal) => signals.push(signal));
    const res = await work.schedule({ delay: 60 });
    await work.schedule({ eta: new Date(Date.now() + 60_000) });
    assert.equal(runs, 0);
    assert.equal(await res.isReady(), false);
    assert.deepEqual(signals, ['enqueued', 'scheduled', 'enqueued', 'scheduled']);
  });

  it('runs a task that a task calls before the call resolves', async () => {
    const huey = immediateHuey();
    const inner = huey.task(async function inner(n: number) {
      await setImmediate();
      return n * 2;
    });
    const outer = huey.task(async function outer(n: number) {
      assert.equal(currentTask().name, 'outer');
      const value = await (await inner(n)).get();
      assert.equal(currentTask().name, 'outer');
      return value;
    });
    assert.equal(await (await outer(21)).get(), 42);
  });

  it('serves many callers at once, each with its own', async () => {
    const huey = immediateHuey();
    const leaf = huey.task(async function leaf(n: number) {
      await setImmediate();
      return n;
    });
    const twice = huey.task(async function twice(n: number) {
      const [a, b] = await Promise.all([leaf(n), leaf(n)]);
      return ((await a.get()) ?? NaN) + ((await b.get()) ?? NaN);
    });
    const handles = await Promise.all(Array.from({ length: 20 }, (_, n) => twice(n)));
    assert.deepEqual(
      await Promise.all(handles.map(async (res) => res.get())),
      handles.map((_, n) => n * 2),
    );
  });

  it('runs many calls of one list in order', async () => {
    const huey = immediateHuey();
    const seen: number[] = [];
    const note = huey.task(function note(n: number) {
      seen.push(n);
    });
    await note.map([1, 2, 3]);
    await huey.enqueueMany([note.s(4), note.s(5)]);
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  });

  it('makes no second of an id', async () => {
    const huey = immediateHuey();
    let runs = 0;
    const count = huey.task(function count() {
      return ++runs;
    });
    await count.withOptions({ id: 'one' })();
    const res = await count.withOptions({ id: 'one' })();
    assert.equal(await res.get(), 1);
    assert.equal(runs, 1);
  });

  it('keeps from running what is revoked, until it is restored', async () => {
    const huey = immediateHuey();
    let runs = 0;
    const work = huey.task(function work() {
      runs++;
    });
    const signals: string[] = [];
    huey.signal('revoked', (signal, { id, name }) => signals.push(`${signal} ${name} ${id}`));
    await work.revoke();
    const res = await work.withOptions({ id: 'r' })();
    await assert.rejects(res.get(), { code: 'revoked' });
    assert.deepEqual(signals, ['revoked work r']);
    await work.restore();
    await work();
    assert.equal(runs, 1);
  });

  it('gives up what runs over its timeout', async () => {
    const huey = immediateHuey();
    const listens = huey.task({ timeout: 0.02 }, async function listens() {
      const { signal } = currentTask();
      await once(signal, 'abort');
      return 'late';
    });
    await assert.rejects((await listens()).get(), { name: 'TaskTimeout', code: 'timeout' });
    const loops = huey.task({ timeout: 0.02 }, function loops() {
      const { checkTimeout } = currentTask();
      for (;;) checkTimeout();
    });
    await assert.rejects((await loops()).get(), { code: 'timeout' });
    const deaf = huey.task({ timeout: 0.02, grace: 0.02 }, function deaf() {
      return new Promise(() => undefined);
    });
    await assert.rejects((await deaf()).get(), { code: 'timeout' });
  });

  it('keeps progress and log', async () => {
    const huey = immediateHuey();
    const work = huey.task(function work() {
      const { progress, log } = currentTask();
      progress(0.5);
      progress(1);
      log('half');
    });
    const stream = huey.events();
    await stream.listening;
    const res = await work();
    const seen: unknown[] = [];
    for await (const event of stream) {
      if (event.status === 'progress') seen.push(event.value);
      if (event.value === 1) break;
    }
    assert.deepEqual(seen, [0.5, 1]);
    assert.equal(await res.progress(), 1);
    assert.deepEqual(await res.log(), ['half']);
  });

  it('ends with its Huey', async () => {
    const huey = immediateHuey();
    const work = huey.task(function work() {});
    await work();
    await huey.close();
    await assert.rejects(work(), { code: 'closed' });
  });
});

describe('signals and hooks in immediate mode', () => {
  it('come in order, with the task and the error', async () => {
    const huey = immediateHuey();
    const log: unknown[] = [];
    huey.signal((signal, { name, args, meta }, error) =>
      log.push([signal, name, args, meta, error instanceof Error ? error.message : error]),
    );
    huey.preExecute(function pre({ args }) {
      log.push(['pre', args]);
    });
    huey.postExecute(function post({ args }, value, error) {
      log.push(['post', args, value, error instanceof Error ? error.message : error]);
    });
    const work = huey.task(function work(n: number) {
      log.push('work');
      if (n === 0) throw new Error('zero');
      return n + 1;
    });
    const meta = { tenant: 'a' };
    await work.withOptions({ meta })(1);
    assert.deepEqual(log.splice(0), [
      ['enqueued', 'work', [1], meta, undefined],
      ['executing', 'work', [1], meta, undefined],
      ['pre', [1]],
      'work',
      ['post', [1], 2, undefined],
      ['complete', 'work', [1], meta, undefined],
    ]);
    await work.withOptions({ retries: 1 })(0);
    assert.deepEqual(
      log.map((entry) => (Array.isArray(entry) ? (entry[0] as string) : entry)),
      ['enqueued', ...['executing', 'pre', 'work', 'post', 'error', 'retrying'], ...['executing', 'pre', 'work', 'post', 'error']],
    );
    assert.deepEqual(log[4], ['post', [0], undefined, 'zero']);
    assert.deepEqual(log[5], ['error', 'work', [0], {}, 'zero']);
  });

  it('tell of a result that can be read', async () => {
    const huey = immediateHuey();
    let read: unknown;
    huey.signal('complete', async (_signal, { id }) => {
      read = await huey.result(id, { preserve: true });
    });
    await huey.task(function work() {
      return 5;
    })();
    assert.equal(read, 5);
  });

  it('let a hook cancel for good: no result, no post hook, no retry', async () => {
    const huey = immediateHuey();
    const log: string[] = [];
    huey.signal((signal) => log.push(signal));
    huey.preExecute(function guard() {
      throw new CancelExecution({ retry: true });
    });
    huey.postExecute(() => log.push('post'));
    const work = huey.task({ retries: 3 }, function work() {
      log.push('work');
    });
    const res = await work();
    assert.deepEqual(log, ['enqueued', 'executing', 'canceled']);
    await assert.rejects(res.get(), { code: 'canceled' });
  });

  it('let currentTask be asked in a hook', async () => {
    const huey = immediateHuey();
    let name: string | undefined;
    huey.preExecute(async function pre() {
      await setImmediate();
      ({ name } = currentTask());
    });
    await huey.task(function work() {})();
    assert.equal(name, 'work');
  });

  it('know a canceled task by its signal', async () => {
    const huey = immediateHuey();
    const log: string[] = [];
    huey.signal('canceled', 'error', 'retrying', (signal) => log.push(signal));
    const stop = huey.task(function stop() {
      throw new CancelExecution();
    });
    await assert.rejects((await stop()).get(), { code: 'canceled' });
    await stop.withOptions({ retries: 1 })();
    await stop.withOptions({ id: 'again' })();
    assert.deepEqual(log, ['canceled', 'canceled', 'retrying', 'canceled', 'canceled']);
  });
});
