/** Sentences about what Huey does that no other test shows. In immediate mode: the runner and the rules are those of a consumer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Duration } from 'luxon';
import {
  CancelExecution,
  chord,
  crontab,
  currentTask,
  MemoryHuey,
  ResultsDisabled,
  RetryTask,
  TaskExpired,
  TaskLocked,
  TaskRevoked,
  type HueyOptions,
} from '../../src/api/index.js';
import { freshQueue } from './hand-consumer.js';

const LONG_AGO = new Date(5);

function open(options: HueyOptions = {}) {
  const huey = new MemoryHuey(freshQueue(), { immediate: true, ...options });
  const signals: string[] = [];
  huey.signal((signal) => signals.push(signal));
  let runs = 0;
  const work = huey.task(function work(n = 0) {
    runs++;
    return n;
  });
  return { huey, signals, work, runs: () => runs };
}

describe('before a task starts', () => {
  it('it is seen first whether it is revoked, then whether it has expired', async () => {
    const { huey, signals, work, runs } = open();
    await huey.revokeById('both', { revokeOnce: true });
    const both = await work.withOptions({ id: 'both', expires: LONG_AGO })();
    await assert.rejects(both.get(), TaskRevoked);
    const late = await work.withOptions({ expires: LONG_AGO })();
    await assert.rejects(late.get(), TaskExpired);
    assert.deepEqual(signals, ['enqueued', 'revoked', 'enqueued', 'expired']);
    assert.equal(runs(), 0);
  });

  it('a look at a mark does not use it up', async () => {
    const { huey, work, runs } = open();
    await huey.revokeById('a', { revokeOnce: true });
    for (let look = 0; look < 3; look++) assert.equal(await huey.isRevoked('a'), true);
    await work.withOptions({ id: 'a' })();
    assert.equal(runs(), 0);
    assert.equal(await huey.isRevoked('a'), false);
  });
});

describe('the mark of an invocation', () => {
  it('that revokes itself does not stop it, keeps it from being tried again, and is gone with its end', async () => {
    const { huey } = open();
    let runs = 0;
    const selfish = huey.task(async function selfish(fails: boolean) {
      runs++;
      await huey.revokeById(currentTask().id);
      if (fails) throw new Error('no');
      return 'done';
    });
    const done = await selfish(false);
    assert.equal(await done.get(), 'done');
    assert.equal(await done.isRevoked(), false);
    assert.equal(await done.restore(), false);
    const failed = await selfish.withOptions({ retries: 5 })(true);
    await assert.rejects(failed.get(), TaskRevoked);
    assert.equal(runs, 2);
    assert.equal(await failed.isRevoked(), false);
  });

  it('is another than that of its task, which stays', async () => {
    const { work } = open();
    await work.revoke();
    await assert.rejects((await work()).get(), TaskRevoked);
    await assert.rejects((await work()).get(), TaskRevoked);
    assert.equal(await work.isRevoked(), true);
  });
});

describe('an expiry that is relative', () => {
  it('counts from the call: a retry does not begin it anew', async () => {
    const { huey, signals } = open();
    let runs = 0;
    const slow = huey.task({ retries: 5, expires: 0.02 }, function slow() {
      runs++;
      const end = Date.now() + 40;
      while (Date.now() < end);
      throw new Error('no');
    });
    const res = await slow();
    await assert.rejects(res.get(), TaskExpired);
    // On a machine that is slow enough it has expired before its first start.
    assert.ok(runs <= 1);
    assert.equal(signals.at(-1), 'expired');
  });
});

describe('RetryTask', () => {
  it('waits as it says, until a date or for a time, and is no error', async () => {
    const { huey, signals } = open();
    const eta = new Date(Date.now() + 3_600_000);
    const wishes = { eta: { eta }, seconds: { delay: 3600 }, duration: { delay: Duration.fromObject({ hours: 1 }) } };
    const again = huey.task(function again(wish: keyof typeof wishes) {
      throw new RetryTask(wishes[wish]);
    });
    for (const wish of ['eta', 'seconds', 'duration'] as const) {
      await again(wish);
      assert.deepEqual(new Set(signals.splice(0)), new Set(['enqueued', 'executing', 'retrying']));
    }
    // Immediate mode waits for none of them, until there were too many.
    for (const { eta: due } of await huey.scheduled()) assert.ok(Math.abs((due?.getTime() ?? 0) - eta.getTime()) < 600_000, String(due));
    assert.equal(await huey.scheduledCount(), 3);
  });

  it('that asks for a date in the past is tried again at once', async () => {
    const { huey } = open();
    const again = huey.task(function again() {
      if (currentTask().attempt === 1) throw new RetryTask({ eta: LONG_AGO });
      if (currentTask().attempt === 2) throw new RetryTask({ delay: -5 });
      return currentTask().attempt;
    });
    assert.equal(await (await again()).get(), 3);
  });

  it('that asks for what is no time fails the task', async () => {
    const { huey } = open();
    const again = huey.task(function again(delay: number) {
      throw new RetryTask({ delay });
    });
    await assert.rejects((await again(NaN)).get(), /delay of RetryTask/);
  });
});

describe('a chord', () => {
  it('calls its callback whatever becomes of its members: null for what did not run, an Error for what failed', async () => {
    const { huey, work } = open();
    const quit = huey.task(function quit(): number {
      throw new CancelExecution({ retry: false });
    });
    const nothing = huey.task(function nothing() {});
    const lists: unknown[][] = [];
    const collect = huey.task(function collect(list: unknown[]) {
      lists.push(list);
      return list.length;
    });
    const held = await huey.lockTask('door').acquire();
    const refused = huey.task(huey.lockTask('door').wrap(function refused() {}));
    await huey.revokeById('revoked');
    const members = [
      work.withOptions({ id: 'revoked' }).s(1),
      work.withOptions({ expires: LONG_AGO }).s(2),
      quit.s(),
      quit.s().pipe(work),
      nothing.s(),
      refused.s(),
      work.s(3),
    ];
    const made = await huey.enqueue(chord(members, collect));
    assert.equal(await made.get(), members.length);
    const [list = []] = lists;
    assert.deepEqual(list.slice(0, 5), [null, null, null, null, null]);
    assert.ok(list[5] instanceof Error);
    assert.equal(list[6], 3);
    await assert.rejects(made.results[5]?.get() ?? Promise.resolve(), TaskLocked);
    await held.release();
  });

  it('gets the values of its members also where results are off', async () => {
    const { huey, work } = open({ results: false });
    const lists: unknown[][] = [];
    const collect = huey.task(function collect(list: unknown[]) {
      lists.push(list);
    });
    const made = await huey.enqueue(chord([work.s(1), work.s(2)], collect));
    assert.deepEqual(lists, [[1, 2]]);
    await assert.rejects(made.get(), ResultsDisabled);
    assert.equal(await made.isReady(), true);
  });
});

describe('a periodic task that is called by hand', () => {
  it('runs, is retried, and settles with nothing', async () => {
    const { huey } = open({ storeNone: true });
    let runs = 0;
    const tick = huey.periodicTask(crontab({ minute: 0 }), { retries: 1 }, function tick() {
      if (++runs === 1) throw new Error('not at once');
      return 'discarded';
    });
    assert.equal(await (await tick()).get({ blocking: true }), undefined);
    assert.equal(runs, 2);
    assert.equal(await huey.resultCount(), 0);
  });
});

describe('a Huey', () => {
  it('is closed by leaving the block that made it', async () => {
    let left: MemoryHuey | undefined;
    {
      await using huey = new MemoryHuey(freshQueue());
      left = huey;
      await huey.put('k', 1);
    }
    await assert.rejects(left.get('k'), { code: 'closed' });
  });

  it('forgets hooks by their names', async () => {
    const { huey, work } = open();
    const seen: string[] = [];
    huey.preExecute(() => seen.push('pre'), 'a');
    huey.postExecute(() => seen.push('post'), 'b');
    await work();
    assert.deepEqual(
      [huey.unregisterPreExecute('a'), huey.unregisterPostExecute('b'), huey.unregisterPreExecute('b')],
      [true, true, false],
    );
    await work();
    assert.deepEqual(seen, ['pre', 'post']);
  });
});
describe('intermediate errors', () => {
  it('start the handler of errors at each attempt where they are stored, else at the last alone', async () => {
    for (const [storeIntermediateErrors, count] of [
      [true, 3],
      [false, 1],
    ] as const) {
      const { huey } = open({ storeIntermediateErrors });
      const seen: string[] = [];
      const onError = huey.task(function onError(error: Error) {
        seen.push(error.message);
      });
      const fail = huey.task({ retries: 2 }, function fail() {
        throw new Error(`attempt ${currentTask().attempt}`);
      });
      const res = await huey.enqueue(fail.s().error(onError));
      await assert.rejects(res.get(), /attempt 3/);
      assert.deepEqual(seen, ['attempt 1', 'attempt 2', 'attempt 3'].slice(-count));
    }
  });
});
