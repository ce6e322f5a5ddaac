import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crontab, LockUnavailable, MemoryHuey, TaskLocked, type HeldLock } from '../../src/api/index.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { freshQueue } from './hand-consumer.js';

describe('a lock outside a task', () => {
  it('is held while the function runs, and refused meanwhile', async () => {
    const huey = new MemoryHuey(freshQueue());
    const lock = huey.lockTask('backup');
    const value = await lock.run(async () => {
      assert.equal(await lock.isLocked(), true);
      assert.equal(await huey.isLocked('backup'), true);
      assert.equal(await huey.isLocked('other'), false);
      // Not reentrant, and one across all Hueys of the queue.
      await assert.rejects(
        lock.run(() => 1),
        { name: 'LockUnavailable', code: 'locked', lock: 'backup' },
      );
      await assert.rejects(new MemoryHuey(huey.name).lockTask('backup').acquire(), TaskLocked);
      return 5;
    });
    assert.equal(value, 5);
    assert.equal(await lock.isLocked(), false);
  });

  it('is given back where the function throws', async () => {
    const huey = new MemoryHuey(freshQueue());
    const lock = huey.lockTask('a');
    await assert.rejects(
      lock.run(() => {
        throw new Error('no');
      }),
      { message: 'no' },
    );
    assert.equal(await lock.isLocked(), false);
  });

  it('is held to the end of a block', async () => {
    const huey = new MemoryHuey(freshQueue());
    {
      await using held = await huey.lockTask('a').acquire();
      assert.equal(held.name, 'a');
      assert.equal(await huey.isLocked('a'), true);
    }
    assert.equal(await huey.isLocked('a'), false);
  });

  it('says whether it was still held when it is given back', async () => {
    const huey = new MemoryHuey(freshQueue());
    const held = await huey.lockTask('a').acquire();
    assert.equal(await held.release(), true);
    const lost = await huey.lockTask('b').acquire();
    assert.equal(await huey.lockTask('b').clear(), true);
    assert.equal(await huey.lockTask('b').clear(), false);
    assert.equal(await lost.release(), false);
  });

  it('is renewed while it is held, and the loss is told', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const huey = new MemoryHuey(freshQueue());
    const lost = new Promise<void>((resolve) => {
      process.on('warning', function onWarning(warning: Error & { code?: string }) {
        if (warning.code !== 'HUEY_LOCK_LOST') return;
        process.off('warning', onWarning);
        resolve();
      });
    });
    await huey.lockTask('a').acquire();
    t.mock.timers.tick(5000);
    assert.equal(await huey.isLocked('a'), true);
    await huey.flushLocks();
    t.mock.timers.tick(5000);
    await lost;
    await huey.close();
  });

  it('is taken away by name, or with all', async () => {
    const huey = new MemoryHuey(freshQueue());
    const held: HeldLock[] = [];
    for (const name of ['a', 'b', 'c']) held.push(await huey.lockTask(name).acquire());
    assert.deepEqual(await huey.flushLocks('a', 'x'), ['a']);
    assert.deepEqual((await huey.flushLocks()).sort(), ['b', 'c']);
    assert.deepEqual(await huey.flushLocks(), []);
    for (const one of held) await one.release();
  });

  it('needs a name', () => {
    const huey = new MemoryHuey(freshQueue());
    for (const name of ['', 'x'.repeat(201), 5]) assert.throws(() => huey.lockTask(name as never), { code: 'bad-name' });
    assert.throws(() => huey.flushLocks(''), { code: 'bad-name' });
  });
});

describe('a lock around a task', () => {
  it('keeps the name and the parameters of the function', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const report = huey.task(
      huey.lockTask('report').wrap(async function generateReport(year: number) {
        assert.equal(await huey.isLocked('report'), true);
        return `report of ${year}`;
      }),
    );
    assert.equal(report.taskName, 'generateReport');
    assert.equal(await (await report(2026)).get(), 'report of 2026');
    assert.equal(await huey.isLocked('report'), false);
    const tick = huey.periodicTask(
      crontab({ minute: 0 }),
      huey.lockTask('tick').wrap(function tick() {}),
    );
    assert.equal(tick.taskName, 'tick');
    assert.throws(() => huey.periodicTask(crontab({}), huey.lockTask('x').wrap(function bad(_a: number) {}) as never), {
      code: 'periodic-parameters',
    });
  });

  it('that somebody else holds ends it as locked: no error, retried while retries remain', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const signals: string[] = [];
    huey.signal('locked', 'error', 'retrying', (signal) => signals.push(signal));
    let runs = 0;
    const work = huey.task({ retries: 1 }, async function work() {
      runs++;
      await huey.lockTask('a').run(() => assert.fail('it is held'));
    });
    const held = await huey.lockTask('a').acquire();
    const res = await work();
    assert.equal(runs, 2);
    assert.deepEqual(signals, ['locked', 'retrying', 'locked']);
    await assert.rejects(res.get(), { name: 'TaskLocked', code: 'locked' });
    await held.release();
  });

  it('ends with the run that took it, also where nobody gives it back', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const forgets = huey.task({ retries: 1 }, async function forgets() {
      await huey.lockTask('a').acquire();
      throw new Error('forgot');
    });
    // The second attempt gets it: the first run is over.
    await assert.rejects((await forgets()).get(), { code: 'error', message: 'Error: forgot' });
    assert.equal(await huey.isLocked('a'), false);
  });

  it('belongs to the run, and not to the task that the run calls', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const inner = huey.task(async function inner() {
      await huey.lockTask('a').run(() => undefined);
    });
    const outer = huey.task(async function outer() {
      await using _held = await huey.lockTask('a').acquire();
      const res = await inner();
      await assert.rejects(res.get(), TaskLocked);
      // Another task's end is no refusal of its own lock.
      return 'fine';
    });
    assert.equal(await (await outer()).get(), 'fine');
  });

  it('that another task was refused is an ordinary error for who waits for it', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const held = await huey.lockTask('a').acquire();
    const inner = huey.task(huey.lockTask('a').wrap(async function inner() {}));
    const outer = huey.task(async function outer() {
      await (await inner()).get();
    });
    await assert.rejects((await outer()).get(), { name: 'TaskException', code: 'error' });
    await held.release();
  });

  it('of another queue belongs to the process', async () => {
    const other = new MemoryHuey(freshQueue());
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const work = huey.task(async function work() {
      await other.lockTask('a').run(async () => assert.equal(await other.isLocked('a'), true));
      return 'held';
    });
    assert.equal(await (await work()).get(), 'held');
  });
});

describe('LockUnavailable', () => {
  it('names the lock and the task', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    let caught: unknown;
    const work = huey.task(async function work() {
      await using _held = await huey.lockTask('a').acquire();
      await huey
        .lockTask('a')
        .acquire()
        .catch((error: unknown) => (caught = error));
    });
    await work.withOptions({ id: 'me', retries: 2 })();
    assert.ok(caught instanceof LockUnavailable && caught instanceof TaskLocked);
    assert.equal(caught.lock, 'a');
    assert.equal(caught.metadata.taskId, 'me');
    assert.equal(caught.metadata.willRetry, true);
  });

  it('is an error also where the storage is away when the lock is given back', async () => {
    const huey = new MemoryHuey(freshQueue());
    const storage = MemoryStorage.shared(huey.name);
    const value = await huey.lockTask('a').run(async () => {
      await huey.close();
      return 'done all the same';
    });
    assert.equal(value, 'done all the same');
    assert.equal(await storage.isLocked('a'), true);
  });
});
