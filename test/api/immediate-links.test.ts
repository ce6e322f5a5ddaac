import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chord, currentTask, group, MemoryHuey, tuple } from '../../src/api/index.js';
import { freshQueue } from './hand-consumer.js';

function world() {
  const huey = new MemoryHuey(freshQueue(), { immediate: true });
  const add = huey.task(function add(a: number, b: number) {
    return a + b;
  });
  const sum = huey.task(function sum(numbers: number[]) {
    return numbers.reduce((total, n) => total + n, 0);
  });
  return { huey, add, sum };
}

describe('links between tasks in immediate mode', () => {
  it('run a pipeline to its end', async () => {
    const { huey, add } = world();
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3).pipe(add, 4).pipe(add, 5));
    assert.deepEqual(await results.get(), [3, 6, 10, 15]);
  });

  it('hand a tuple on as arguments', async () => {
    const { huey } = world();
    const fib = huey.task(function fib(a: number, b = 1) {
      return tuple(a + b, a);
    });
    const results = await huey.enqueue(fib.s(1).pipe(fib).pipe(fib));
    assert.deepEqual(await results.get({ blocking: true }), [
      [2, 1],
      [3, 2],
      [5, 3],
    ]);
  });

  it('run a handler with the error, and cancel the stages behind', async () => {
    const { huey, add } = world();
    const caught: string[] = [];
    const onError = huey.task(function onError(error: Error) {
      caught.push(`${error.name}: ${error.message}`);
    });
    const fail = huey.task(function fail(): number {
      throw new RangeError('too far');
    });
    const results = await huey.enqueue(fail.s().error(onError).pipe(add, 1));
    assert.deepEqual(caught, ['RangeError: too far']);
    assert.ok(results[1] !== undefined);
    await assert.rejects(results[1].get(), { code: 'canceled' });
  });

  it('leave nobody waiting behind an id that was enqueued before', async () => {
    const { huey, add } = world();
    const list = huey.task(function list(values: unknown[]) {
      return values;
    });
    const known = add.withOptions({ id: 'beans-1' });
    await huey.enqueue(known.s(1, 2));
    const result = await huey.enqueue(chord([known.s(1, 2), add.s(3, 4)], list));
    assert.deepEqual(await result.get(), [null, 7]);
    const [, second] = await huey.enqueue(known.s(1, 2).pipe(add, 3));
    await assert.rejects(Promise.resolve(second?.get()), { code: 'canceled' });
    const stages = await huey.enqueue(add.s(1, 2).pipe(known, 3).pipe(add, 4));
    await assert.rejects(Promise.resolve(stages[2]?.get()), { code: 'canceled' });
  });

  it('run a group, and a chord with its callback, once', async () => {
    const { huey, add, sum } = world();
    const members = await huey.enqueue(group([add.s(1, 2), add.s(3, 4)]));
    assert.deepEqual(await members.get(), [3, 7]);
    let callbacks = 0;
    huey.preExecute(({ name }) => {
      if (name === 'sum') callbacks++;
    });
    const result = await huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], sum));
    assert.equal(await result.get({ blocking: true }), 10);
    assert.equal(callbacks, 1);
    const empty = await huey.enqueue(chord([], sum));
    assert.equal(await empty.get({ blocking: true }), 0);
  });

  it('tell of the first stage alone that it was enqueued', async () => {
    const { huey, add } = world();
    const enqueued: string[] = [];
    huey.signal('enqueued', (_signal, { args }) => enqueued.push(args.join()));
    await huey.enqueue(add.s(1, 2).pipe(add, 3));
    assert.deepEqual(enqueued, ['1,2']);
  });

  it('work with signed and compressed messages', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true, compression: 'gzip', signing: { keys: ['secret'] } });
    const seen: unknown[] = [];
    huey.signal('enqueued', 'complete', (signal, { args }) => seen.push([signal, (args[0] as string).length]));
    const double = huey.task(function double(text: string) {
      assert.equal(currentTask().name, 'double');
      return text + text;
    });
    const results = await huey.enqueue(double.s('x'.repeat(1000)).pipe(double));
    assert.equal((await results.get())[1]?.length, 4000);
    assert.deepEqual(seen, [
      ['enqueued', 1000],
      ['complete', 1000],
      ['complete', 2000],
    ]);
  });
});
