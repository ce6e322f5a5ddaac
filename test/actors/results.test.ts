import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TaskCanceled, TaskException, TaskExpired, TaskRevoked } from '../../src/runtime/errors.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, WAYS } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 20 } as const;

for (const way of WAYS) {
  describe(`a consumer on ${way.kind}, ${way.mode}`, () => {
    const ends: (() => Promise<void>)[] = [];
    /** With a consumer that runs; tests that need a fresh one make it. */
    let shared: ConsumerWorld;
    before(async () => {
      shared = await ConsumerWorld.make({ after: (end) => ends.unshift(end) }, way);
      await shared.start();
    });
    after(async () => {
      for (const end of ends) await end();
    });

    it('runs what was called before it started', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const result = await world.tasks.add(1, 2);
      await world.start();
      assert.equal(await result.get(WAIT), 3);
    });

    it('runs tasks that return, and tasks that promise', async () => {
      const { tasks } = shared;
      assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
      assert.equal(await (await tasks.addLater(3, 4)).get(WAIT), 7);
      assert.equal(await (await tasks.nothing()).get(WAIT), undefined);
    });

    it('runs many, each once', async () => {
      const { tasks } = shared;
      const { file, lines } = shared.journal('many');
      const results = await tasks.note.map([]);
      results.push(...(await tasks.huey.enqueueMany(Array.from({ length: 300 }, (_, i) => tasks.note.s(file, String(i))))));
      await Promise.all(results.map((result) => result.get(WAIT)));
      const ran = lines().map(Number);
      assert.deepEqual(
        ran.toSorted((a, b) => a - b),
        Array.from({ length: 300 }, (_, i) => i),
      );
    });

    it('tries a failed task again after its delay, and tells the waiter of the last attempt alone', async () => {
      const { tasks } = shared;
      const { file, lines } = shared.journal('thrice');
      assert.equal(await (await tasks.failThrice(file)).get(WAIT), 'done at attempt 4');
      assert.deepEqual(lines(), ['1 3', '2 2', '3 1', '4 0']);
    });

    it('runs a task again that asks for it, and ends one that cancels itself', async () => {
      const { tasks } = shared;
      assert.equal(await (await tasks.retryOnce()).get(WAIT), 2);
      await assert.rejects(
        (await tasks.cancelItself()).get(WAIT),
        (error) => error instanceof TaskCanceled && /not today/.test(error.message),
      );
    });

    it('tells of an error by its name, message and place', async () => {
      const { tasks } = shared;
      await assert.rejects((await tasks.fail('no beans')).get(WAIT), (error) => {
        assert.ok(error instanceof TaskException);
        assert.equal(error.code, 'error');
        assert.equal(error.metadata.error, 'RangeError: no beans');
        assert.match(error.metadata.traceback ?? '', /tasks\.[jt]s/);
        return true;
      });
    });

    it('starts scheduled tasks when they are due and not before', async () => {
      const { tasks } = shared;
      const calledAt = Date.now();
      const delayed = await tasks.add.schedule({ args: [1, 1], delay: 0.3 });
      const dated = await tasks.add.schedule({ args: [2, 2], eta: new Date(calledAt + 400) });
      assert.equal(await delayed.get(WAIT), 2);
      assert.ok(Date.now() - calledAt >= 300);
      assert.equal(await dated.get(WAIT), 4);
      assert.ok(Date.now() - calledAt >= 399);
    });

    it('starts what has a higher priority first', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const { file, lines } = world.journal();
      for (const priority of [-1, 0, 5, 50]) await tasks.note.withOptions({ priority })(file, String(priority));
      await world.start({ workers: 1 });
      await poll('four lines', () => lines().length === 4);
      assert.deepEqual(lines(), ['50', '5', '0', '-1']);
    });

    it('does not start what is revoked or has expired', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const { file, lines } = world.journal();
      const revoked = await tasks.note(file, 'revoked');
      await revoked.revoke();
      const expired = await tasks.note.withOptions({ expires: 0.05 })(file, 'expired');
      await new Promise((resolve) => setTimeout(resolve, 60));
      await world.start();
      await assert.rejects(revoked.get(WAIT), TaskRevoked);
      await assert.rejects(expired.get(WAIT), TaskExpired);
      assert.deepEqual(lines(), []);
    });

    it('lets a task enqueue others and wait for them', async () => {
      const { tasks } = shared;
      assert.equal(await (await tasks.sumOfSums([1, 2, 3])).get(WAIT), 12);
    });

    it('tells a task who it is', async () => {
      const { tasks } = shared;
      const calledAt = Date.now();
      const result = await tasks.context.withOptions({ id: 'beans-7', meta: { tenant: 'a' }, retries: 1 })();
      const { deadline, ...rest } = await result.get(WAIT);
      assert.deepEqual(rest, { id: 'beans-7', name: 'context', attempt: 1, retries: 1, meta: { tenant: 'a' }, aborted: false });
      assert.ok(deadline instanceof Date);
      const inSeconds = (deadline.getTime() - calledAt) / 1000;
      assert.ok(inSeconds > 29 && inSeconds < 50, String(inSeconds));
    });

    it('keeps a call that it does not know for a consumer that does', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const old = await world.start();
      const newcomer = tasks.huey.task({ name: 'newcomer' }, () => 'never run here');
      const result = await newcomer();
      await poll('a word about it', () => world.logged(/no task "newcomer"/).length > 0);
      await old.stop();
      await world.start({ file: 'more-tasks' });
      assert.equal(await result.get(WAIT), 'known here');
      assert.equal(world.logged(/no task "newcomer"/).length, 1);
    });

    it('tells of what happens by events, to those who listen', async (t) => {
      const world = await ConsumerWorld.make(t, way);
      const { tasks } = world;
      const consumer = world.consumer();
      const seen: string[] = [];
      consumer.on('ready', ({ queue, workers, periodic }) => seen.push(`ready ${queue === world.queue} ${workers} ${periodic}`));
      consumer.on('complete', ({ task, duration }) => seen.push(`complete ${task.name} ${typeof duration}`));
      consumer.on('failed', ({ task, error }) => seen.push(`failed ${task.name} ${error}`));
      consumer.on('retrying', ({ task, delay }) => seen.push(`retrying ${task.name} ${delay}`));
      await consumer.start();
      await (await tasks.add(1, 2)).get(WAIT);
      await poll('the completion', () => seen.length === 2);
      await assert.rejects((await tasks.fail('no beans')).get(WAIT));
      await poll('the failure', () => seen.length === 3);
      await (await tasks.retryOnce()).get(WAIT);
      await poll('the retry', () => seen.length === 5);
      assert.deepEqual(seen, [
        'ready true 2 0',
        'complete add number',
        'failed fail RangeError: no beans',
        'retrying retryOnce 0.02',
        'complete retryOnce number',
      ]);
    });
  });
}
