import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DateTime, Duration } from 'luxon';
import { crontab, MemoryHuey, tuple, type HueyOptions } from '../../src/api/index.js';
import { ConfigurationError, EnqueueFailed, HueyException, PayloadError } from '../../src/runtime/errors.js';
import { BATCH_MAX } from '../../src/runtime/limits.js';
import { decode } from '../../src/runtime/serializer.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function setUp(options: HueyOptions = {}) {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue, options);
  const add = huey.task(async function add(a: number, b: number) {
    return a + b;
  });
  const beat = huey.task(function beat() {
    return 'boom';
  });
  return { huey, add, beat, consumer: new HandConsumer(queue) };
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HueyException, String(error));
    assert.equal(error.code, code);
    return true;
  };
}

describe('a call', () => {
  it('becomes a message with the name, the arguments and the defaults', async () => {
    const { add, consumer } = setUp();
    const res = await add(1, 2);
    const { head, body } = await consumer.takeOne();
    const { at, ...rest } = body;
    assert.deepEqual(head, {
      id: res.id,
      name: 'add',
      attempts: 0,
      retries: 0,
      lapses: 0,
      deaths: 0,
      priority: 0,
      timeoutMs: 0,
      expiresAt: 0,
    });
    assert.deepEqual(rest, { args: [1, 2] });
    assert.ok(Math.abs(Date.now() - at) < 60_000);
  });

  it('carries the options of the task, in the head what changes and in the body what does not', async () => {
    const { huey, consumer } = setUp();
    const options = {
      name: 'mail.send',
      retries: 3,
      retryDelay: 10,
      retryBackoff: 2,
      priority: -5,
      timeout: Duration.fromObject({ minutes: 1 }),
    };
    const send = huey.task({ ...options, resultTtl: 60, grace: 1, concurrency: 3, exclusive: true }, async (to: string) => to);
    assert.equal(send.taskName, 'mail.send');
    assert.equal(send.name, 'mail.send');
    await send('me');
    const { head, body } = await consumer.takeOne();
    assert.deepEqual([head.name, head.retries, head.priority, head.timeoutMs], ['mail.send', 3, -5, 60_000]);
    assert.deepEqual([body.retries, body.retryDelayMs, body.retryBackoff, body.resultTtlMs], [3, 10_000, 2, 60_000]);
    const settings = huey.registry.get('mail.send')?.settings;
    assert.deepEqual([settings?.graceMs, settings?.concurrency, settings?.exclusive], [1000, 3, true]);
  });

  it('refuses limits that are none', () => {
    const { huey } = setUp();
    const fn = (): void => undefined;
    for (const concurrency of [0, 1.5, 1001]) assert.throws(() => huey.task({ name: 'a', concurrency }, fn), /concurrency/);
    assert.throws(() => huey.task({ name: 'a', exclusive: 1 as never }, fn), /exclusive/);
  });

  it('takes any value that the serializer knows', async () => {
    const { huey, consumer } = setUp();
    const echo = huey.task(function echo(value: unknown) {
      return value;
    });
    const value = { at: new Date(5), map: new Map([[1n, undefined]]) };
    await echo(value);
    assert.deepStrictEqual(decode((await consumer.takeOne()).body.args), [value]);
  });

  it('is refused, and stores nothing, where an argument cannot be encoded or is too large', async () => {
    const { huey, consumer } = setUp();
    const echo = huey.task(function echo(value: unknown) {
      return value;
    });
    await assert.rejects(
      echo({ user: { fn: () => 1 } }),
      (error) => error instanceof PayloadError && error.message.startsWith('echo: args[0].user.fn is a function'),
    );
    await assert.rejects(
      echo('ä'.repeat(600_000)),
      (error) => error instanceof PayloadError && /echo takes 12000\d\d bytes/.test(error.message),
    );
    await echo('a'.repeat(1_000_000));
    assert.equal((await consumer.take()).length, 1);
  });

  it('with an id that was used already gives the handle of the first', async () => {
    const { add, consumer } = setUp();
    const first = await add.withOptions({ id: 'beans-7' })(1, 2);
    const second = await add.withOptions({ id: 'beans-7' })(1, 2);
    assert.equal(first.id, 'beans-7');
    assert.equal((await consumer.takeOne()).head.id, 'beans-7');
    await consumer.complete('beans-7', 3);
    assert.equal(await second.get(), 3);
  });

  it('takes options for itself alone', async () => {
    const { add, consumer } = setUp();
    const eager = add.withOptions({ priority: 5, retries: 1, meta: { tenant: 'a' }, expires: 30 });
    await eager.withOptions({ priority: 7 })(1, 2);
    const { head, body } = await consumer.takeOne();
    assert.deepEqual([head.priority, head.retries, body.retries, body.meta], [7, 1, 1, { tenant: 'a' }]);
    await add(1, 2);
    assert.equal((await consumer.takeOne()).head.priority, 0);
  });

  it('expires by the storage: relative to the enqueue, or at an instant', async () => {
    const { add, consumer } = setUp();
    const before = Date.now();
    await add.withOptions({ expires: 3600 })(1, 2);
    const relative = (await consumer.takeOne()).head;
    assert.equal(relative.expiryIsRelative, undefined);
    assert.ok(relative.expiresAt >= before + 3_600_000 && relative.expiresAt <= Date.now() + 3_600_000);
    const atMs = Date.now() + 1_000_000;
    await add.withOptions({ expires: new Date(atMs) })(1, 2);
    assert.equal((await consumer.takeOne()).head.expiresAt, atMs);
  });

  it('can be made right here, without the queue', async () => {
    const { add, huey, consumer } = setUp();
    assert.equal(await add.callLocal(1, 2), 3);
    const fail = huey.task(function fail() {
      throw new TypeError('no');
    });
    await assert.rejects(fail.callLocal(), TypeError);
    assert.deepEqual(await consumer.take(), []);
  });
});

describe('many calls', () => {
  it('are mapped in one write, a tuple being several arguments', async () => {
    const { add, huey, consumer } = setUp();
    const double = huey.task(function double(n: number) {
      return 2 * n;
    });
    const handles = await double.map(new Set([1, 2, 3]));
    await add.map([tuple(1, 2), tuple(3, 4)]);
    const messages = await consumer.take();
    assert.deepEqual(
      messages.map(({ body }) => body.args),
      [[1], [2], [3], [1, 2], [3, 4]],
    );
    assert.deepEqual(
      handles.map(({ id }) => id),
      messages.slice(0, 3).map(({ head }) => head.id),
    );
    await assert.rejects(double.withOptions({ id: 'same' }).map([1, 2]), ConfigurationError);
  });

  it('keep their order, also beyond one storage call', async () => {
    const { add, huey, consumer } = setUp();
    const count = 2 * BATCH_MAX + 5;
    const handles = await huey.enqueueMany(Array.from({ length: count }, (_, n) => add.s(n, 0)));
    const taken = [...(await consumer.take()), ...(await consumer.take()), ...(await consumer.take())];
    assert.deepEqual(
      taken.map(({ body }) => body.args[0]),
      Array.from({ length: count }, (_, n) => n),
    );
    assert.equal(handles.length, count);
    assert.deepEqual(await huey.enqueueMany([]), []);
  });

  it('store nothing where one of them cannot be encoded', async () => {
    const { huey, add, consumer } = setUp();
    const echo = huey.task(function echo(value: unknown) {
      return value;
    });
    await assert.rejects(huey.enqueueMany([add.s(1, 2), echo.s(Symbol('no'))]), PayloadError);
    assert.deepEqual(await consumer.take(), []);
  });

  it('that are made side by side are all stored', async () => {
    const { add, consumer } = setUp();
    const handles = await Promise.all(Array.from({ length: 500 }, (_, n) => add(n, n)));
    assert.deepEqual(new Set((await consumer.take()).map(({ head }) => head.id)), new Set(handles.map(({ id }) => id)));
  });
});

describe('a signature', () => {
  it('is a call that can be made more than once, each time with an id of its own', async () => {
    const { add, huey, consumer } = setUp();
    const signature = add.withOptions({ priority: 9 }).s(1, 2);
    assert.deepEqual([signature.taskName, signature.args], ['add', [1, 2]]);
    const [a, b] = [await huey.enqueue(signature), await huey.enqueue(signature)];
    assert.notEqual(a.id, b.id);
    assert.deepEqual(
      (await consumer.take()).map(({ head }) => [head.id, head.priority]),
      [
        [a.id, 9],
        [b.id, 9],
      ],
    );
  });

  it('belongs to one Huey', async () => {
    const { add } = setUp();
    const other = setUp().huey;
    await assert.rejects(other.enqueue(add.s(1, 2)), hasCode('bad-signature'));
    await assert.rejects(other.enqueue(add as never), hasCode('bad-signature'));
  });
});

describe('schedule', () => {
  it('starts after a delay or at a date, by the storage', async () => {
    const { add, beat, consumer } = setUp();
    await add.schedule({ args: [1, 2], delay: 60, priority: 3, id: 'later' });
    await add.schedule({ args: [1, 2], eta: new Date(Date.now() + 60_000) });
    await add.withOptions({ retries: 2 }).schedule({ args: [1, 2], delay: Duration.fromObject({ seconds: 5 }) });
    await beat.schedule({ eta: DateTime.now().plus({ hours: 1 }) });
    await beat.schedule(60);
    await beat.schedule(new Date(Date.now() + 60_000));
    await beat.schedule('2100-01-01T00:00:00Z');
    await beat.withOptions({ delay: 5 })();
    assert.deepEqual(await consumer.take(), []);
    assert.equal((await consumer.storage.counts()).scheduled, 8);
    await beat.schedule(0);
    await beat.schedule({ eta: new Date(5) });
    await consumer.storage.promote(10);
    assert.equal((await consumer.take()).length, 2);
  });

  it('lets a new delay take the place of an eta', async () => {
    const { beat, consumer } = setUp();
    await beat.withOptions({ eta: '2100-01-01T00:00:00Z' }).schedule({ delay: 0 });
    await consumer.storage.promote(10);
    assert.equal((await consumer.take()).length, 1);
  });

  it('refuses both of delay and eta, or neither', async () => {
    const { beat } = setUp();
    await assert.rejects(beat.schedule({ delay: 1, eta: new Date() } as never), hasCode('bad-option'));
    await assert.rejects(beat.schedule({} as never), hasCode('bad-option'));
    await assert.rejects(beat.schedule('soon'), hasCode('bad-date'));
    await assert.rejects(beat.schedule(-1), hasCode('bad-duration'));
    await assert.rejects(beat.schedule({ delay: 5, args: 7 } as never), hasCode('bad-option'));
  });
});

describe('declaring', () => {
  it('refuses functions without a name, at once', () => {
    const { huey } = setUp();
    assert.throws(() => huey.task(() => 1), hasCode('nameless-task'));
    assert.throws(() => huey.task({}, () => 1), hasCode('nameless-task'));
    assert.throws(() => huey.task({ name: '' }, () => 1), hasCode('nameless-task'));
    assert.throws(() => huey.task({ name: 'a"b' }, () => 1), hasCode('bad-name'));
    assert.throws(() => huey.task('x' as never, () => 1), ConfigurationError);
    assert.throws(() => huey.task({ name: 'x' }, 5 as never), hasCode('bad-task'));
    assert.throws(() => huey.task(undefined as never), hasCode('bad-task'));
  });

  it('refuses unknown options and names the nearest', () => {
    const { huey, add } = setUp();
    const fn = function fn(): void {};
    assert.throws(() => huey.task({ retry_delay: 5 } as never, fn), /task fn has no option "retry_delay"; did you mean "retryDelay"\?/);
    assert.throws(() => huey.task({ retires: 5 } as never, fn), /did you mean "retries"\?/);
    assert.throws(() => huey.task({ wibbleWobble: 5 } as never, fn), /it has name, retries/);
    assert.throws(() => add.withOptions({ dealy: 5 } as never), /did you mean "delay"\?/);
    assert.throws(() => new MemoryHuey('q', { result: false } as never), /did you mean "results"\?/);
  });

  it('refuses numbers out of range', () => {
    const { huey } = setUp();
    const fn = function fn(): void {};
    for (const options of [
      { retries: -1 },
      { retries: 1.5 },
      { retries: 2_000_000 },
      { retries: '3' },
      { retryDelay: 86_401 },
      { retryBackoff: 0.5 },
      { retryBackoff: NaN },
      { priority: 4001 },
      { priority: -4001 },
      { timeout: 21 * 86_400 },
      { timeout: -1 },
      { timeout: Infinity },
      { expires: 0 },
      { expires: 'soon' },
      { resultTtl: 0 },
      { grace: -5 },
    ]) {
      assert.throws(() => huey.task(options as never, fn), ConfigurationError, JSON.stringify(options));
    }
    assert.throws(() => huey.task({ priority: 4001 }, fn), /priority must be a whole number from -4000 to 4000; it is 4001/);
    huey.task({ priority: 4000, retries: 36 ** 4 - 1, timeout: 20 * 86_400, retryDelay: 86_400 }, fn);
  });

  it('takes a crontab for a periodic task, which has no parameters', async () => {
    const { huey, consumer } = setUp();
    const tick = huey.periodicTask(crontab({ minute: '*/5', zone: 'Europe/Berlin' }), { catchUp: 600, retries: 1 }, function tick() {
      return 1;
    });
    assert.deepEqual(huey.registry.get('tick')?.periodic, { expression: '*/5 * * * *', zone: 'Europe/Berlin', catchUpMs: 600_000 });
    assert.equal(huey.registry.get('tick')?.settings.retries, 1);
    await tick();
    assert.equal((await consumer.takeOne()).body.result, false);
    huey.periodicTask(crontab('0 0 * * *'), function nightly() {});
    assert.equal(huey.registry.get('nightly')?.periodic?.catchUpMs, 60_000);
    const withParameter = function withParameter(_n: number): void {};
    assert.throws(() => huey.periodicTask(crontab({}), withParameter as never), hasCode('periodic-parameters'));
    assert.throws(() => huey.periodicTask('* * * * *' as never, function every() {}), hasCode('bad-crontab'));
    assert.throws(() => huey.periodicTask(crontab({}), { catchUp: 90_000 }, function every() {}), hasCode('bad-option'));
  });

  it('lets a second task of one name replace the first, with a warning, and tells the consumer', async () => {
    const { huey } = setUp();
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const second = function add(): void {};
    huey.task(second);
    const warning = (await warned) as Error & { code: string };
    assert.equal(warning.code, 'HUEY_DUPLICATE_TASK');
    assert.match(warning.message, /second task "add"/);
    assert.equal(huey.registry.get('add')?.fn, second);
    assert.throws(() => huey.registry.checkUnique(), hasCode('duplicate-task'));
  });
});

describe('revoking a task', () => {
  it('marks it until it is restored', async () => {
    const { add } = setUp();
    assert.equal(await add.isRevoked(), false);
    await add.revoke();
    assert.equal(await add.isRevoked(), true);
    assert.equal(await add.restore(), true);
    assert.equal(await add.restore(), false);
    assert.equal(await add.isRevoked(), false);
  });

  it('can end with the first start that it prevents, or at a date', async () => {
    const { add, consumer } = setUp();
    await add.revoke({ revokeOnce: true, revokeUntil: '2100-01-01T00:00:00Z' });
    assert.deepEqual(await consumer.storage.readMark({ task: 'add' }), { once: true, untilMs: Date.UTC(2100, 0, 1) });
    await add.revoke();
    assert.deepEqual(await consumer.storage.readMark({ task: 'add' }), { once: false, untilMs: 0 });
    await assert.rejects(add.revoke({ once: true } as never), hasCode('unknown-option'));
  });
});

describe('a closed Huey', () => {
  it('refuses calls', async () => {
    const { huey, add } = setUp();
    await add(1, 2);
    await huey.close();
    await huey.close();
    await assert.rejects(
      add(1, 2),
      (error) => error instanceof EnqueueFailed && error.cause instanceof HueyException && error.cause.code === 'closed',
    );
    await assert.rejects(add.revoke(), hasCode('closed'));
  });
});
