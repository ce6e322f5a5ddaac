/** Whether a consumer lives and whether it can work: what is asked, and what follows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ActorThread, type ActorMethodsBase } from '../../src/actors/actor-thread.js';
import { createSupervisors } from '../../src/actors/index.js';
import { HealthMonitor, Pulse, type Health, type HealthView, type WatchedActor } from '../../src/actors/health.js';
import { COMMAND_TIMEOUT_MS } from '../../src/runtime/limits.js';
import { poll } from '../support/poll.js';
import { startRedis } from '../support/redis.js';
import { tempDir } from '../support/temp-dir.js';
import { ConsumerWorld, fixtureUrl, type Mode } from './consumer-world.js';

const WELL = { state: 'running', live: { ok: true, reasons: [] }, ready: { ok: true, reasons: [] } };
const MODES: readonly Mode[] = ['inline', 'embedded'];

describe('what health is made of', () => {
  it('a consumer whose loop, actors and storage answer is live and ready', async () => {
    assert.deepEqual(await looked({}), WELL);
  });

  it('an actor that is silent for a moment is no reason', async () => {
    assert.deepEqual(await looked({ actors: [silentFor('scheduler', 2000)] }), WELL);
  });

  it('an actor that has not answered lately is, by its name', async () => {
    const { live, ready } = await looked({ actors: [silentFor('scheduler', 0), silentFor('periodic', 12_000)] });
    assert.deepEqual(live, { ok: false, reasons: ['the periodic actor has not answered for 12 s'] });
    assert.deepEqual(ready, live);
  });

  it('a heartbeat that does not come round is a reason, one that the storage refuses is none to be dead', async () => {
    let now = 0;
    const pulse = new Pulse(5000, () => now);
    pulse.came(new Error('READONLY'));
    const refused = await looked({ pulse });
    assert.deepEqual(refused.live, WELL.live);
    assert.match(refused.ready.reasons.join(), /does not take the heartbeat: READONLY/);
    pulse.came(undefined);
    assert.deepEqual(await looked({ pulse }), WELL);
    now = 5000 + 6 * COMMAND_TIMEOUT_MS + 1;
    assert.deepEqual((await looked({ pulse })).live.reasons, ['the heartbeat has not come round']);
  });

  it('a storage that is away makes it not ready, and not dead', async () => {
    const away = { address: 'redis://beans', open: () => Promise.reject(new Error('ECONNREFUSED')) };
    const silent = { address: 'redis://beans', open: () => new Promise<void>(() => undefined) };
    for (const [storage, reason] of [
      [away, 'the storage redis://beans is not reachable: ECONNREFUSED'],
      [silent, 'the storage redis://beans does not answer'],
    ] as const) {
      const { live, ready } = await looked({ storage });
      assert.deepEqual([live, ready], [WELL.live, { ok: false, reasons: [reason] }]);
    }
  });

  it('each state says itself', async () => {
    const states: [view: Partial<HealthView>, live: boolean, reason: RegExp][] = [
      [{ state: 'new' }, true, /not started/],
      [{ state: 'starting', hasModule: false }, true, /module is loading/],
      [{ state: 'starting' }, true, /waits for the storage/],
      [{ state: 'running', pulse: undefined }, true, /new life/],
      [{ state: 'running', failure: new Error('no more threads') }, false, /cannot go on: no more threads/],
      [{ state: 'stopping' }, true, /stopping/],
      [{ state: 'stopped' }, false, /has stopped/],
      [{ state: 'faulted', failure: new Error('no beans') }, false, /cannot go on: no beans/],
    ];
    for (const [view, isLive, reason] of states) {
      const { live, ready } = await looked(view);
      assert.equal(live.ok, isLive, reason.source);
      assert.equal(ready.ok, false, reason.source);
      assert.match(ready.reasons.join(), reason);
    }
  });

  it('however many ask, the storage is asked once a second; a change of state is told at once', async () => {
    let asked = 0;
    const open = (): Promise<void> => {
      asked += 1;
      return Promise.resolve();
    };
    const view: HealthView = { ...good(), storage: { address: '', open } };
    const monitor = new HealthMonitor(() => view);
    await Promise.all(Array.from({ length: 100 }, () => monitor.look()));
    assert.equal(asked, 1);
    view.state = 'stopping';
    assert.equal((await monitor.look()).state, 'stopping');
  });
});

describe('an actor in a thread', () => {
  it('answers while its loop goes on, and not when it is stuck', async (t) => {
    const actor = new ActorThread<ActorMethodsBase & { block(): void }, null>({
      ...{ name: 'stuck', file: '../../test/fixtures/stuck-actor.js', methods: ['ping', 'block'], offers: {}, data: null },
      onDeath: () => undefined,
    });
    t.after(() => actor.stop());
    const before = actor.answeredAt;
    assert.equal(await actor.answers(20_000), true);
    assert.ok(actor.answeredAt > before);
    actor.ref?.block().catch(() => undefined);
    assert.equal(await actor.answers(300), false);
  });

  it('is waited for while it is started again', async (t) => {
    const deaths: string[] = [];
    const actor = new ActorThread<ActorMethodsBase & { die(): void }, null>({
      ...{ name: 'mortal', file: '../../test/fixtures/stuck-actor.js', methods: ['ping', 'die'], offers: {}, data: null },
      onDeath: ({ message }) => deaths.push(message),
    });
    t.after(() => actor.stop());
    assert.equal(await actor.answers(20_000), true);
    actor.ref?.die().catch(() => undefined);
    await poll('its death', () => deaths.length > 0);
    assert.equal(await actor.answers(20_000), true);
  });
});

describe('the health of a supervisor', () => {
  for (const mode of MODES) {
    it(`goes with its life, ${mode}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode });
      const consumer = world.consumer({ file: 'periodic-tasks' });
      assert.equal((await consumer.health()).state, 'new');
      const starting = consumer.start();
      const { live, ready } = await consumer.health();
      assert.deepEqual(live, WELL.live);
      assert.equal(ready.ok, false);
      await starting;
      await poll('health', async () => (await consumer.health()).ready.ok);
      assert.deepEqual(await consumer.health(), WELL);
      await consumer.stop();
      const ended = await consumer.health();
      assert.deepEqual([ended.state, ended.live.ok, ended.ready.ok], ['stopped', false, false]);
    });

    it(`is that of the error where the start failed, ${mode}`, async (t) => {
      const consumer = (await ConsumerWorld.make(t, { kind: 'sqlite', mode })).consumer({ huey: 'nothing' });
      await assert.rejects(consumer.start());
      const { state, ready } = await consumer.health();
      assert.equal(state, 'faulted');
      assert.match(ready.reasons.join(), /cannot go on: .*nothing/);
    });

    it(`is live and not ready while the server is away, and ready when it is back, ${mode}`, async (t) => {
      const server = await startRedis();
      t.after(() => server.stop());
      const world = await ConsumerWorld.at(t, server.url, await tempDir(t), mode);
      const consumer = await world.start();
      await poll('health', async () => (await consumer.health()).ready.ok);
      await server.kill('SIGKILL');
      const away = await poll('the outage', async () => {
        const health = await consumer.health();
        return !health.ready.ok && health;
      });
      assert.deepEqual(away.live, WELL.live);
      assert.match(away.ready.reasons.join(), /storage/);
      const again = await startRedis([], { port: server.port, directory: server.directory });
      t.after(() => again.stop());
      await poll('health', async () => (await consumer.health()).ready.ok);
    });
  }

  it('of several is well where each is', async (t) => {
    const world = await ConsumerWorld.make(t, { kind: 'memory' });
    const group = createSupervisors({ module: fixtureUrl('tasks', world.queue, world.url), workers: 1, inline: true });
    t.after(() => group.stop());
    assert.deepEqual((await group.health()).ready, { ok: false, reasons: ['it was not started'] });
    await group.start();
    await poll('health', async () => (await group.health()).ready.ok);
    assert.deepEqual(await group.health(), WELL);
    await group.stop();
    assert.equal((await group.health()).live.ok, false);
  });
});

function good(): HealthView {
  const storage = { address: 'memory:', open: () => Promise.resolve() };
  return { state: 'running', failure: undefined, hasModule: true, storage, pulse: new Pulse(5000), actors: [silentFor('scheduler', 0)] };
}

function looked(view: Partial<HealthView>): Promise<Health> {
  return new HealthMonitor(() => ({ ...good(), ...view })).look();
}

/** 0: it answers. */
function silentFor(name: string, silentMs: number): WatchedActor {
  return { name, answeredAt: performance.now() - silentMs, answers: () => Promise.resolve(silentMs === 0) };
}
