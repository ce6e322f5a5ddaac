/** Canceling with a consumer, its threads, and a storage that several processes share. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chord } from '../../src/api/index.js';
import { TaskCanceled, UniqueConflict } from '../../src/runtime/errors.js';
import { tuple } from '../../src/runtime/tuple.js';
import { runCommand } from '../cli/command.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, type Journal } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 20 } as const;
const YEAR_SECONDS = 365 * 86_400;

for (const kind of ['redis', 'sqlite'] as const) {
  describe(`canceling, on ${kind}`, () => {
    for (const how of ['loop', 'wait', 'deaf'] as const) {
      it(`ends the thread of a task that does not listen (${how}), without a retry, and without harm to its neighbours`, async (t) => {
        const world = await ConsumerWorld.make(t, { kind });
        const { tasks } = world;
        const journal = world.journal();
        await world.start({ workers: 1 });
        const stuck = await tasks.stick(journal.file, how);
        await started(journal);
        const neighbours = await tasks.add.map(Array.from({ length: 20 }, () => tuple(1, 2)));
        assert.equal(await stuck.cancel(), true);
        await assert.rejects(stuck.get(WAIT), TaskCanceled);
        assert.deepEqual(
          await Promise.all(neighbours.map((result) => result.get(WAIT))),
          neighbours.map(() => 3),
        );
        await world.drained();
        assert.deepEqual(journal.lines(), [`start ${how}`]);
        assert.equal(world.logged(/thread died|took its thread down|put aside/).length, 0);
        assert.equal(world.logged(/^stick: canceled$/).length, 1);
        assert.equal(await stuck.cancel(), false);
      });
    }

    it('lets a task end by itself that listens: it has canceled all the same, and its thread goes on', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { tasks } = world;
      await world.start({ workers: 1 });
      for (const task of [tasks.hear, tasks.loopPolitely]) {
        const journal = world.journal();
        const before = journal.lines().length;
        const result = await task(journal.file);
        await poll('its start', () => journal.lines().length > before);
        assert.equal(await result.cancel(), true);
        // Its grace of 30 s is longer than this wait.
        await assert.rejects(result.get(WAIT), TaskCanceled);
        assert.deepEqual(journal.lines().slice(before), ['start', 'TaskCanceled']);
      }
      assert.equal(await (await tasks.add(1, 2)).get(WAIT), 3);
    });

    it('ends at once what waits or is scheduled, though no consumer is there', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { huey, add, listOf } = world.tasks;
      const waiting = await add(1, 2);
      const urgent = await add.withOptions({ priority: 9 })(1, 2);
      const later = await add.schedule({ args: [1, 2], delay: YEAR_SECONDS });
      const pipeline = await huey.enqueue(add.s(1, 2).pipe(listOf));
      for (const { id } of [waiting, urgent, later, pipeline[0]]) assert.equal(await huey.cancel(id), true);
      for (const result of [waiting, urgent, later, ...pipeline]) await assert.rejects(result.get(WAIT), TaskCanceled);
      const { ready, scheduled, running } = await world.counts();
      assert.deepEqual({ ready, scheduled, running }, { ready: 0, scheduled: 0, running: 0 });
      await world.start();
      assert.equal(await (await add(1, 2)).get(WAIT), 3);
    });

    it('ends at once what waits for its retry', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      await world.start();
      const result = await world.tasks.failForHours();
      await poll('the first failure', async () => (await world.counts()).scheduled === 1);
      assert.equal(await result.cancel(), true);
      await assert.rejects(result.get(WAIT), TaskCanceled);
      assert.equal((await world.counts()).scheduled, 0);
    });

    it('lets a chord go on without it, and the later stages end with it', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { huey, add, stick, loopPolitely, listOf } = world.tasks;
      const journal = world.journal();
      await world.start();
      const { results, callback } = await huey.enqueue(chord([stick.s(journal.file, 'loop'), add.s(1, 2)], listOf));
      await started(journal);
      assert.equal(await results[0].cancel(), true);
      assert.deepEqual(await callback.get(WAIT), [null, 3]);
      const other = world.journal('other');
      const stages = await huey.enqueue(loopPolitely.s(other.file).pipe(listOf).pipe(listOf));
      await started(other);
      assert.equal(await stages[0].cancel(), true);
      for (const stage of stages) await assert.rejects(stage.get(WAIT), TaskCanceled);
    });

    it('frees what it held: its lock and its unique key', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { huey, stickWithKey } = world.tasks;
      const journal = world.journal();
      await world.start();
      const result = await stickWithKey(journal.file);
      await started(journal);
      assert.equal(await huey.isLocked('stick'), true);
      await assert.rejects(stickWithKey(journal.file), UniqueConflict);
      assert.equal(await result.cancel(), true);
      await assert.rejects(result.get(WAIT), TaskCanceled);
      assert.equal(await huey.isLocked('stick'), false);
      const next = await stickWithKey(journal.file);
      assert.equal(await next.cancel(), true);
      await assert.rejects(next.get(WAIT), TaskCanceled);
    });

    it('works from a terminal, and from within a task', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { tasks, queue, url } = world;
      await world.start({ workers: 2 });
      for (const how of ['terminal', 'task']) {
        const journal = world.journal(how);
        const stuck = await tasks.stick(journal.file, 'loop');
        await started(journal);
        if (how === 'task') assert.equal(await (await tasks.cancelOther(stuck.id)).get(WAIT), true);
        else {
          const { code, stdout } = await runCommand(t, ['cancel', stuck.id, '--queue', queue, '--url', url]);
          assert.deepEqual({ code, stdout }, { code: 0, stdout: `canceled ${stuck.id}\n` });
        }
        await assert.rejects(stuck.get(WAIT), TaskCanceled);
      }
    });

    it('says no to what has ended, and to what nobody knows', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { huey, add } = world.tasks;
      await world.start();
      const result = await add(1, 2);
      assert.equal(await result.get({ ...WAIT, preserve: true }), 3);
      assert.equal(await result.cancel(), false);
      assert.equal(await huey.cancel('nobody'), false);
      assert.equal(await result.get(WAIT), 3);
      // Nothing was left behind that would keep it from running.
      assert.equal(await (await add.withOptions({ id: 'nobody' })(2, 3)).get(WAIT), 5);
    });

    it('tells of it by events, of what ran and of what waited', async (t) => {
      const world = await ConsumerWorld.make(t, { kind });
      const { huey, add, stick } = world.tasks;
      const journal = world.journal();
      await world.start();
      const events = huey.events();
      await events.listening;
      const told: string[] = [];
      let heard = false;
      void (async () => {
        for await (const { status, id } of events) {
          if (status === 'finished') heard = true;
          if (status === 'canceled') told.push(id ?? '');
        }
      })();
      // A consumer looks once a second whether somebody listens.
      await poll('the consumer to tell', async () => {
        await (await add(1, 2)).get({ blocking: true, timeout: 20 });
        return heard;
      });
      const later = await add.schedule({ args: [1, 2], delay: YEAR_SECONDS });
      const stuck = await stick(journal.file, 'loop');
      await started(journal);
      for (const result of [later, stuck]) assert.equal(await result.cancel(), true);
      await poll('the events', () => told.length === 2);
      assert.deepEqual(new Set(told), new Set([later.id, stuck.id]));
      await events.return();
    });
  });
}

async function started({ lines }: Journal): Promise<void> {
  await poll('its start', () => lines().some((line) => line.startsWith('start')));
}
