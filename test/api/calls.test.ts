import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  currentTask,
  MemoryHuey,
  ResultsDisabled,
  TaskCanceled,
  TaskException,
  TaskRevoked,
  UniqueConflict,
  type HueyOptions,
  type TaskOptions,
} from '../../src/api/index.js';
import { DAY_MS } from '../../src/runtime/limits.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function declare(options: HueyOptions = {}) {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue, options);
  const add = huey.task({ retries: 2, priority: 3 }, function add(a: number, b: number) {
    return a + b;
  });
  return { queue, huey, add, consumer: new HandConsumer(queue) };
}

const blocking = { blocking: true, timeout: 5 } as const;

describe('reschedule', () => {
  it('makes the same call under a new id, and ends the old one as revoked, at once', async () => {
    const { huey, add, consumer } = declare();
    const old = await add.schedule({ args: [1, 2], delay: 3600, priority: 9 });
    const waiting = assert.rejects(old.get(blocking), TaskRevoked);
    const res = await old.reschedule();
    await waiting;
    assert.notEqual(res.id, old.id);
    const { head, body } = await consumer.takeOne();
    assert.deepEqual([head.id, head.priority, head.retries, body.args], [res.id, 9, 2, [1, 2]]);
    assert.equal(await huey.resultCount(), 0);
  });

  it('takes other options for the new call, its id too', async () => {
    const { huey, add } = declare();
    const old = await add(1, 2);
    await (await old.reschedule({ delay: 60, priority: 1, id: 'new' })).reschedule({ delay: 90, retries: 5 });
    const scheduled = await huey.scheduled();
    const last = scheduled.at(-1);
    assert.deepEqual([last?.retries, last?.priority, last?.args], [5, 1, [1, 2]]);
    await assert.rejects(huey.result('new', blocking), TaskRevoked);
  });

  it('does not stop one that runs', async () => {
    const { add, consumer } = declare();
    const old = await add(1, 2);
    await consumer.take();
    await old.reschedule({ delay: 60 });
    await consumer.complete(old.id, 3);
    assert.equal(await old.get(blocking), 3);
  });

  it('takes the stages and the handler along, or not', async () => {
    const { huey, add, consumer } = declare();
    const onError = huey.task(function onError(_error: Error) {});
    const results = await huey.enqueue(add.withOptions({ delay: 60 }).s(1, 2).pipe(add, 3).error(onError));
    const res = await results[0].reschedule();
    const moved = await consumer.takeOne();
    assert.equal(moved.head.id, res.id);
    assert.deepEqual(moved.body.next?.body.args, [3]);
    assert.ok(moved.body.onError);
    assert.ok(!moved.body.next?.head.includes(results[1].id));
    const alone = await huey.enqueue(add.withOptions({ delay: 60 }).s(1, 2).pipe(add, 3));
    await alone[0].reschedule({ preservePipeline: false });
    assert.equal((await consumer.takeOne()).body.next, undefined);
    await assert.rejects(results[1].reschedule(), { code: 'no-call' });
  });

  it('keeps what is unique unique', async () => {
    const { huey, consumer } = declare();
    const once = huey.task({ unique: { onConflict: 'reject' } }, function once(n: number) {
      return n;
    });
    const old = await once.schedule({ args: [1], delay: 60 });
    const res = await old.reschedule();
    await assert.rejects(once(1), (error) => error instanceof UniqueConflict && error.existingId === res.id);
    assert.equal((await consumer.takeOne()).head.id, res.id);
  });

  it('refuses unknown options', async () => {
    const { add } = declare();
    const res = await add(1, 2);
    await assert.rejects(res.reschedule({ dealy: 5 } as never), /did you mean "delay"/);
    await assert.rejects(res.reschedule({ preservePipeline: 1 } as never), /must be true or false/);
  });
});

describe('a unique task', () => {
  function unique(options: TaskOptions<[n: number, note?: string]>['unique']) {
    const declared = declare();
    const once = declared.huey.task(options === undefined ? {} : { unique: options }, function once(n: number, note?: string) {
      return `${n} ${note}`;
    });
    return { ...declared, once };
  }

  it('gives the handle of the call that is there, by its arguments', async () => {
    const { huey, once, consumer } = unique({});
    const first = await once(1, 'a');
    const again = await once(1, 'a');
    const other = await once(1, 'b');
    assert.equal(again.id, first.id);
    assert.notEqual(other.id, first.id);
    assert.equal(await huey.pendingCount(), 2);
    await assert.rejects(again.reschedule(), { code: 'no-call' });
    const [message] = await consumer.take();
    assert.equal(message?.head.linked, true);
    assert.equal(message?.body.unique?.until, 'ended');
  });

  it('may have a key of its own, that other tasks do not meet', async () => {
    const { huey, once } = unique({ key: (n) => `key ${n}`, until: 'started' });
    const twin = huey.task({ unique: { key: (n) => `key ${n}` } }, function twin(n: number) {
      return n;
    });
    const first = await once(1, 'a');
    assert.equal((await once(1, 'b')).id, first.id);
    assert.notEqual((await once(2)).id, first.id);
    assert.notEqual((await twin(1)).id, first.id);
    await assert.rejects(once.withOptions({ unique: { key: () => '' } })(1), /key must give a text/);
    const long = { key: () => 'x'.repeat(5000) };
    assert.equal((await once.withOptions({ unique: long })(1)).id, (await once.withOptions({ unique: long })(2)).id);
  });

  it('may refuse the second call', async () => {
    const { once } = unique({ onConflict: 'reject' });
    const first = await once(1);
    await assert.rejects(once(1), (error) => error instanceof UniqueConflict && error.code === 'unique' && error.existingId === first.id);
    await assert.rejects(once.map([1]), UniqueConflict);
  });

  it('may give its place to the second call', async () => {
    const { huey, once } = unique({ onConflict: 'replace' });
    const first = await once.schedule({ args: [1], delay: 60 });
    const waiting = assert.rejects(first.get(blocking), TaskRevoked);
    const second = await once(1);
    assert.notEqual(second.id, first.id);
    await waiting;
    assert.equal(await huey.pendingCount(), 1);
  });

  it('is unique in lists, and not where a call says so', async () => {
    const { huey, once } = unique({});
    const [a, b, c] = await once.map([1, 2, 1]);
    assert.equal(c?.id, a?.id);
    assert.notEqual(b?.id, a?.id);
    const [d, e] = await huey.enqueueMany([once.s(1), once.s(3)]);
    assert.equal(d.id, a?.id);
    assert.notEqual(e.id, a?.id);
    assert.notEqual((await once.withOptions({ unique: false })(1)).id, a?.id);
  });

  it('is so by its declaration or by a call; wrong options are refused', async () => {
    const { huey, add } = declare();
    const one = await add.withOptions({ unique: {} })(1, 2);
    assert.equal((await add.withOptions({ unique: {} })(1, 2)).id, one.id);
    const wrong = [{ keys: () => 'x' }, { until: 'done' }, { onConflict: 'ignore' }, { ttl: -1 }, { key: 'x' }];
    for (const options of wrong)
      assert.throws(() => huey.task({ unique: options as never }, function wrong() {}), { name: 'ConfigurationError' });
  });

  it('runs again once it has ended', async () => {
    const { huey } = declare({ immediate: true });
    let runs = 0;
    const once = huey.task({ unique: {} }, function once() {
      return ++runs;
    });
    assert.equal(await (await once()).get(blocking), 1);
    assert.equal(await (await once()).get(blocking), 2);
  });
});

describe('a task that is unregistered', () => {
  it('is not known to who would run it', async () => {
    const { huey, add } = declare();
    assert.equal(add.unregister(), true);
    assert.equal(add.unregister(), false);
    assert.deepEqual(huey.registry.manifest(), []);
  });
});

describe('the notes of a task', () => {
  it('are read by its handle: progress and log', async () => {
    const { add, consumer } = declare();
    const res = await add(1, 2);
    assert.deepEqual([await res.progress(), await res.log()], [undefined, []]);
    await consumer.storage.setNote(res.id, 'progress', '{"$huey":["date",5]}', 60);
    await consumer.storage.setNote(res.id, 'log', '["one","two"]', 60);
    assert.deepEqual([await res.progress(), await res.log()], [new Date(5), ['one', 'two']]);
  });

  it('are those that the task wrote', async () => {
    const { huey } = declare({ immediate: true });
    const work = huey.task(async function work() {
      const { progress, log } = currentTask();
      log('begun');
      progress({ done: 1 });
      log('through');
    });
    const res = await work();
    assert.deepEqual(await res.progress(), { done: 1 });
    assert.equal((await res.log()).length, 2);
  });
});

describe('storeIntermediateErrors', () => {
  const note = JSON.stringify({ code: 'error', error: 'TypeError: not yet', name: 'TypeError', message: 'not yet', retries: 1 });

  it('shows the error of an attempt to who does not wait, and lets who waits wait', async () => {
    const { add, consumer } = declare({ storeIntermediateErrors: true });
    const res = await add(1, 2);
    assert.equal(await res.get(), undefined);
    await consumer.storage.setNote(res.id, 'error', note, 60);
    await assert.rejects(
      res.get(),
      (error) => error instanceof TaskException && error.metadata.willRetry && error.message === 'TypeError: not yet',
    );
    assert.equal(await res.isReady(), false);
    const waiting = res.get(blocking);
    await consumer.take();
    await consumer.complete(res.id, 3);
    assert.equal(await waiting, 3);
    assert.equal(await res.get(), 3);
  });

  it('is off by default', async () => {
    const { add, consumer } = declare();
    const res = await add(1, 2);
    await consumer.storage.setNote(res.id, 'error', note, 60);
    assert.equal(await res.get(), undefined);
  });
});

describe('how messages travel', () => {
  const big = 'x'.repeat(5000);

  it('compressed, where the Huey says so', async () => {
    const { queue, huey } = declare({ compression: 'gzip' });
    const size = huey.task(function size(text: string, map: Map<string, number>) {
      return text.length + map.size;
    });
    await size(big, new Map([['a', 1]]));
    const [pending] = await huey.pending();
    assert.deepEqual(pending?.args, [big, new Map([['a', 1]])]);
    const plain = new MemoryHuey(queue);
    assert.deepEqual((await plain.pending())[0]?.args[0], big);
    const storage = new HandConsumer(queue).storage;
    assert.ok(((await storage.list('ready', 1))[0]?.text.length ?? 0) < 300);
  });

  it('signed, and nobody without the key is believed', async () => {
    const signing = { keys: ['secret'] };
    const { queue, huey, add } = declare({ signing });
    await huey.enqueue(add.s(1, 2).pipe(add, 3));
    const other = new MemoryHuey(queue);
    await other.task({ name: 'add' }, (a: number, b: number) => a + b)(1, 2);
    const [signed, unsigned] = await huey.pending();
    assert.deepEqual([signed?.args, signed?.unreadable], [[1, 2], undefined]);
    assert.match(unsigned?.unreadable ?? '', /is not signed/);
    assert.deepEqual(unsigned?.args, []);
    const rotated = new MemoryHuey(queue, { signing: { keys: ['newer', 'secret'] } });
    assert.deepEqual((await rotated.pending())[0]?.args, [1, 2]);
    assert.match((await new MemoryHuey(queue, { signing: { keys: ['other'] } }).pending())[0]?.unreadable ?? '', /not signed with a key/);
  });

  it('signed and compressed, from stage to stage and through handlers', async () => {
    for (const options of [
      { signing: { keys: ['k'] } },
      { compression: 'gzip' },
      { signing: { keys: ['k'] }, compression: 'gzip' },
    ] as const) {
      const { huey } = declare({ ...options, immediate: true });
      const double = huey.task(function double(text: string) {
        return text + text;
      });
      const size = huey.task(function size(text: string): number {
        if (text.length > 20_000) throw new RangeError('too long');
        return text.length;
      });
      const next = huey.task(function next(n: number) {
        return n;
      });
      const seen: string[] = [];
      const onError = huey.task(function onError(error: Error) {
        seen.push(`${error}`);
      });
      assert.equal(await (await huey.enqueue(double.s(big).pipe(double).pipe(size)))[2].get(blocking), 20_000);
      const results = await huey.enqueue(size.s(big.repeat(5)).error(onError).pipe(next));
      await assert.rejects(results[0].get(blocking), TaskException);
      await assert.rejects(results[1].get(blocking), TaskCanceled);
      assert.deepEqual(seen, ['RangeError: too long']);
    }
  });

  it('by another serializer, arguments and results', async () => {
    const serializer = {
      encode: (value: unknown) => `<${JSON.stringify(value)}>`,
      decode: (text: string) => JSON.parse(text.slice(1, -1)) as unknown,
    };
    const { huey, add } = declare({ serializer, immediate: true });
    assert.deepEqual(await (await huey.enqueue(add.s(1, 2).pipe(add, 3))).get(blocking), [3, 6]);
    const res = await add(4, 5);
    assert.deepEqual((await huey.allResults())[res.id], 9);
    await huey.put('k', { a: 1 });
    assert.deepEqual(await huey.get('k'), { a: 1 });
  });

  it('refuses options that make no sense', () => {
    const wrong: unknown[] = [
      { compression: 'zip' },
      { signing: { keys: [] } },
      { signing: { keys: [''] } },
      { signing: {} },
      { serializer: {} },
      { signing: { key: 'x' } },
    ];
    for (const options of wrong) assert.throws(() => new MemoryHuey('x', options as HueyOptions), { name: 'ConfigurationError' });
  });
});

describe('results that are off', () => {
  it('leave handles whose get throws, in groups too', async () => {
    const { huey, add } = declare({ results: false });
    await assert.rejects((await add(1, 2)).get(), ResultsDisabled);
    await assert.rejects((await huey.enqueue(add.s(1, 2).pipe(add, 3))).get(), ResultsDisabled);
  });
});

describe('the time to live of a result', () => {
  it('is the one of the call, the task, or the Huey', async () => {
    const { huey, consumer } = declare({ resultTtl: 50 });
    const short = huey.task({ resultTtl: 5 }, function short() {});
    await short();
    await short.withOptions({ resultTtl: DAY_MS / 1000 })();
    assert.equal(huey.settings.resultTtlMs, 50_000);
    assert.deepEqual(
      (await consumer.take()).map(({ body }) => body.resultTtlMs),
      [5000, DAY_MS],
    );
  });
});
