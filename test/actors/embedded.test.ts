/** A consumer inside a host: what the host does must not hurt it, and it must not hurt the host. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { startNode } from '../support/child.js';
import { poll } from '../support/poll.js';
import { block } from '../fixtures/tasks.js';
import { ConsumerWorld, fixtureUrl } from './consumer-world.js';

const SUPERVISOR = new URL('../../src/actors/index.js', import.meta.url).href;
const LEASE_SECONDS = 0.6;

describe('an embedded consumer', () => {
  for (const kind of ['redis', 'sqlite'] as const) {
    it(`goes on while its host blocks its own loop for two leases, on ${kind}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind, mode: 'embedded' });
      const { file, lines } = world.journal();
      await world.start({ lease: LEASE_SECONDS });
      // Somebody who beats on and would reap it.
      await world.start({ lease: LEASE_SECONDS, workers: 1 });
      await world.tasks.huey.enqueueMany(Array.from({ length: 400 }, (_, i) => world.tasks.work.s(file, String(i), 5)));
      await poll('the first ones', () => lines().length > 0);
      const before = lines().length;
      block(2 * LEASE_SECONDS * 1000);
      assert.ok(lines().length - before > 50, `${lines().length - before} ran while the host was blocked`);
      await world.drained();
      assert.deepEqual(world.logged(/starts anew|silent for/), []);
      assert.equal(new Set(lines()).size, 400);
      assert.equal(lines().length, 400);
    });
  }

  it('leaves signal handlers and the exit code of its host alone', async (t) => {
    const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode: 'embedded' });
    const names = ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'exit', 'beforeExit'];
    const counts = (): number[] => names.map((name) => process.listenerCount(name));
    const before = counts();
    const consumer = await world.start();
    await (await world.tasks.exit(7)).get({ blocking: true, timeout: 20 }).catch(() => undefined);
    assert.deepEqual(counts(), before);
    await consumer.stop();
    assert.deepEqual([counts(), process.exitCode], [before, undefined]);
  });

  for (const inline of [false, true]) {
    it(`lets a host without other work end by itself after stop, ${inline ? 'inline' : 'in a thread'}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind: 'sqlite' });
      const options = { module: fixtureUrl('tasks', world.queue, world.url).href, workers: 1, inline };
      const script = path.join(world.folder, 'host.mjs');
      await writeFile(
        script,
        `import { createSupervisor } from ${JSON.stringify(SUPERVISOR)};
         const supervisor = createSupervisor(${JSON.stringify(options)});
         await supervisor.start();
         console.log('started');
         await supervisor.stop();
         console.log('stopped');`,
      );
      const host = startNode([script]);
      t.after(async () => void (await host.stop()));
      await host.waitFor(/stopped/);
      assert.deepEqual(await host.exited, { code: 0, signal: null });
      assert.equal(host.stderr(), '');
    });
  }

  it('can be stopped by leaving the block that made it', async (t) => {
    const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode: 'embedded' });
    const consumer = world.consumer();
    await consumer.start();
    assert.equal((await world.counts()).consumers, 1);
    await consumer[Symbol.asyncDispose]();
    assert.equal((await world.counts()).consumers, 0);
  });
});
