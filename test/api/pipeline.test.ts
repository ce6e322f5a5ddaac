import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  group,
  MemoryHuey,
  ResultTimeout,
  TaskCanceled,
  TaskException,
  tuple,
  type HueyOptions,
  type ResultGroup,
  type Signature,
} from '../../src/api/index.js';
import { decode } from '../../src/runtime/serializer.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

interface State {
  a?: number;
  b?: number;
}

function declare(options: HueyOptions = {}) {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue, options);
  const add = huey.task(function add(a: number, b: number) {
    return a + b;
  });
  const fib = huey.task(function fib(a: number, b = 1) {
    return tuple(a + b, a);
  });
  const stateful = huey.task(function stateful(state: State = {}) {
    return { a: (state.a ?? 0) + 1, b: (state.b ?? 0) + 2 };
  });
  const fail = huey.task(function fail(value: number): number {
    throw new TypeError(`no ${value}`);
  });
  const seen: unknown[][] = [];
  const onError = huey.task(function onError(what: string, error: Error) {
    seen.push([what, error.name, error.message]);
  });
  return { queue, huey, add, fib, stateful, fail, onError, seen };
}

const blocking = { blocking: true, timeout: 5 } as const;

describe('a pipeline', () => {
  it('hands each value on behind the arguments of the next stage, and gives a handle for each', async () => {
    const { huey, add } = declare({ immediate: true });
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3).pipe(add, 4).pipe(add, 5));
    assert.deepEqual(await results.get({ blocking: true }), [3, 6, 10, 15]);
    assert.equal(results.length, 4);
    assert.equal(await results[2].get(), 10);
    const ids = [...results].map(({ id }) => id);
    assert.equal(new Set(ids).size, 4);
  });

  it('spreads tuples, and merges plain objects', async () => {
    const { huey, fib, stateful } = declare({ immediate: true });
    const fibs = await huey.enqueue(fib.s(1).pipe(fib).pipe(fib));
    assert.deepEqual(
      (await fibs.get(blocking)).map((pair) => [...pair]),
      [
        [2, 1],
        [3, 2],
        [5, 3],
      ],
    );
    const states = await huey.enqueue(stateful.s().pipe(stateful).pipe(stateful, { b: 10 }));
    assert.deepEqual(await states.get(blocking), [
      { a: 1, b: 2 },
      { a: 2, b: 4 },
      { a: 3, b: 12 },
    ]);
  });

  it('is one message: later stages travel in the one before', async () => {
    const { queue, huey, add } = declare();
    const results = await huey.enqueue(
      add
        .s(1, 2)
        .pipe(add.withOptions({ retries: 2, priority: 7 }), 3)
        .pipe(add, 4),
    );
    const { head, body } = await new HandConsumer(queue).takeOne();
    assert.equal(head.linked, true);
    assert.equal(head.id, results[0].id);
    const second = body.next;
    assert.match(second?.head ?? '', new RegExp(`^1.*${results[1].id} add$`));
    assert.equal(second?.body.retries, 2);
    assert.deepEqual([second?.body.args, second?.body.next?.body.args], [[3], [4]]);
    assert.match(second?.body.next?.head ?? '', new RegExp(`${results[2].id} add$`));
  });

  it('is made again and again from the same signature, which never changes', async () => {
    const { huey, add } = declare({ immediate: true });
    const head = add.s(1, 2);
    const two = head.pipe(add, 3);
    const other = head.pipe(add, 10);
    two.pipe(add, 100);
    assert.deepEqual(await (await huey.enqueue(two)).get(blocking), [3, 6]);
    assert.deepEqual(await (await huey.enqueue(other)).get(blocking), [3, 13]);
    assert.deepEqual(await (await huey.enqueue(two)).get(blocking), [3, 6]);
    assert.equal(await (await huey.enqueue(head)).get(blocking), 3);
  });

  it('takes signatures and options for a stage, also a delay after its turn', async () => {
    const { queue, huey, add, fib } = declare();
    await huey.enqueue(
      add
        .s(1, 2)
        .pipe(fib.s(1))
        .pipe(fib.withOptions({ delay: 60, id: 'last' })),
    );
    const { body } = await new HandConsumer(queue).takeOne();
    assert.deepEqual(body.next?.body.args, [1]);
    assert.equal(body.next?.body.next?.delayMs, 60_000);
    assert.match(body.next?.body.next?.head ?? '', /last fib$/);
  });

  it('ends with its first failure; the stages behind it are canceled', async () => {
    const { huey, add, fail } = declare({ immediate: true });
    const results = await huey.enqueue(add.s(1, 2).pipe(fail).pipe(add, 1).pipe(add, 2));
    assert.equal(await results[0].get(blocking), 3);
    await assert.rejects(results[1].get(blocking), (error) => error instanceof TaskException && error.message === 'TypeError: no 3');
    await assert.rejects(results[2].get(blocking), TaskCanceled);
    await assert.rejects(results[3].get(blocking), TaskCanceled);
    // The first in order is told.
    const again = await huey.enqueue(add.s(1, 2).pipe(fail).pipe(add, 1));
    await assert.rejects(again.get(blocking), TaskException);
  });

  it('goes on after a retry', async () => {
    const { huey, add } = declare({ immediate: true });
    let failures = 1;
    const flaky = huey.task({ retries: 1 }, function flaky(n: number) {
      if (failures-- > 0) throw new Error('not yet');
      return n * 2;
    });
    assert.deepEqual(await (await huey.enqueue(add.s(1, 2).pipe(flaky).pipe(add, 1))).get(blocking), [3, 6, 7]);
  });

  it('belongs to one Huey, and is not unique in parts', async () => {
    const { huey, add } = declare();
    const other = declare();
    await assert.rejects(huey.enqueue(add.s(1, 2).pipe(other.add, 1)), /add is a task of another Huey/);
    await assert.rejects(huey.enqueue(other.add.s(1, 2).pipe(other.add, 1)), /another Huey/);
    const once = huey.task({ unique: {} }, function once(n: number) {
      return n;
    });
    await assert.rejects(huey.enqueue(once.s(1).pipe(add, 1)), /once is unique and so may not be made/);
    await huey.enqueue(once.withOptions({ unique: false }).s(1).pipe(add, 1));
    const twice = add.withOptions({ id: 'same' });
    await assert.rejects(huey.enqueue(twice.s(1, 2).pipe(twice, 1)), /two calls have the id same/);
    assert.throws(() => add.s(1, 2).pipe(((n: number) => n) as never), { code: 'bad-signature' });
    assert.throws(() => (add.s(1, 2) as { pipe(...all: unknown[]): unknown }).pipe(add.s(1, 2), 3), /has its arguments already/);
  });
});

describe('a handler of errors', () => {
  it('runs with the error as its last argument, when there are no retries left', async () => {
    const { huey, fail, onError, seen } = declare({ immediate: true });
    const res = await huey.enqueue(fail.withOptions({ retries: 2 }).s(1).error(onError, 'it'));
    await assert.rejects(res.get(blocking), TaskException);
    assert.deepEqual(seen, [['it', 'TypeError', 'no 1']]);
  });

  it('does not run where all went well', async () => {
    const { huey, add, onError, seen } = declare({ immediate: true });
    assert.equal(await (await huey.enqueue(add.s(1, 2).error(onError, 'it'))).get(blocking), 3);
    assert.deepEqual(seen, []);
  });

  it('belongs to the head of a pipeline; later stages have their own', async () => {
    const { huey, add, fail, onError, seen } = declare({ immediate: true });
    await huey.enqueue(add.s(1, 2).pipe(fail).error(onError, 'head'));
    assert.deepEqual(seen, []);
    await huey.enqueue(fail.s(1).pipe(add, 1).error(onError, 'head'));
    const guarded: Signature<number> = (fail as unknown as { s(): Signature<number> }).s().error(onError, 'stage');
    await huey.enqueue(add.s(1, 2).pipe(guarded));
    assert.deepEqual(seen, [
      ['head', 'TypeError', 'no 1'],
      ['stage', 'TypeError', 'no 3'],
    ]);
  });

  it('has a handler of its own, which is the second one', async () => {
    const { huey, fail, onError, seen } = declare({ immediate: true });
    const broken = huey.task(function broken(_error: Error) {
      throw new RangeError('worse');
    });
    await huey.enqueue(fail.s(1).error(broken).error(onError, 'second'));
    assert.deepEqual(seen, [['second', 'RangeError', 'worse']]);
  });

  it('travels in the message, its own arguments encoded', async () => {
    const { queue, huey, add } = declare();
    const when = huey.task(function when(_date: Date, _error: Error) {});
    await huey.enqueue(add.s(1, 2).error(when, new Date(5)));
    const { head, body } = await new HandConsumer(queue).takeOne();
    assert.equal(head.linked, true);
    assert.deepEqual(decode(body.onError?.body.args), [new Date(5)]);
  });
});

describe('a group of results', () => {
  it('waits for all with one timeout', async () => {
    const { huey, add } = declare();
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3));
    await assert.rejects(results.get({ blocking: true, timeout: 0.005 }), ResultTimeout);
    assert.deepEqual(await results.get(), [undefined, undefined]);
  });

  it('gives the handles in the order in which their tasks end, however they end', async () => {
    const { queue, huey, add } = declare();
    const consumer = new HandConsumer(queue);
    const made: ResultGroup<number[]> = await huey.enqueue(group([add.s(1, 1), add.s(2, 2), add.s(3, 3)]));
    await consumer.take();
    const order: string[] = [];
    const ends: (() => Promise<void>)[] = [
      () => consumer.complete(made[2]?.id ?? '', 6),
      () => consumer.end(made[0]?.id ?? '', 'canceled'),
      () => consumer.complete(made[1]?.id ?? '', 4),
    ];
    await ends.shift()?.();
    for await (const res of made.asCompleted({ timeout: 5 })) {
      order.push(res.id);
      await ends.shift()?.();
    }
    assert.deepEqual(order, [made[2]?.id, made[0]?.id, made[1]?.id]);
    assert.equal(await made[2]?.get(), 6);
  });

  it('tells of the timeout while it iterates', async () => {
    const { huey, add } = declare();
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3));
    await assert.rejects(async () => {
      for await (const res of results.asCompleted({ timeout: 0.005 })) assert.fail(res.id);
    }, ResultTimeout);
  });

  it('is waited for no more by who leaves the loop', async () => {
    const { queue, huey, add } = declare();
    const consumer = new HandConsumer(queue);
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3));
    await consumer.take();
    await consumer.complete(results[0].id, 3);
    for await (const res of results.asCompleted()) {
      assert.equal(res.id, results[0].id);
      break;
    }
    // A wait without a timeout would keep this process alive.
  });

  it('maps and filters to plain arrays', async () => {
    const { huey, add } = declare();
    const results = await huey.enqueue(add.s(1, 2).pipe(add, 3));
    assert.deepEqual(Object.getPrototypeOf(results.map(({ id }) => id)), Array.prototype);
  });
});
