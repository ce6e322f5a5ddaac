import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { TaskDead, TaskException, TaskTimeout } from '../../src/runtime/errors.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, fixtureUrl, type Mode, type StorageKind } from './consumer-world.js';

type Tasks = typeof import('../fixtures/concurrent-tasks.js');

const WAIT = { blocking: true, timeout: 30 } as const;

interface Stage {
  world: ConsumerWorld;
  tasks: Tasks;
  journal: string;
  lines: () => string[];
  /** A gate, and the key to it. */
  gate: (name: string) => { file: string; open: () => void };
  start: (workers: number, concurrency: number) => Promise<void>;
}

async function open(t: TestContext, kind: StorageKind = 'memory', mode: Mode = 'inline'): Promise<Stage> {
  const world = await ConsumerWorld.make(t, { kind, mode });
  const tasks = (await import(fixtureUrl('concurrent-tasks', world.queue, world.url).href)) as Tasks;
  t.after(() => tasks.huey.close());
  const { file: journal, lines } = world.journal();
  return {
    world,
    tasks,
    journal,
    lines,
    gate(name) {
      const file = path.join(world.folder, name);
      return { file, open: () => writeFileSync(file, '') };
    },
    async start(workers, concurrency) {
      await world.start({ file: 'concurrent-tasks', workers, concurrency });
    },
  };
}

/** How many ran at once, at most, of those whose lines match. */
function mostAtOnce(lines: readonly string[], pattern = /./): number {
  let now = 0;
  let most = 0;
  for (const line of lines) {
    if (!pattern.test(line)) continue;
    now += line.startsWith('+') ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

const started = (lines: readonly string[]): number => lines.filter((line) => line.startsWith('+')).length;

describe('a consumer with --concurrency', () => {
  for (const [kind, mode] of [
    ['memory', 'inline'],
    ['sqlite', 'embedded'],
  ] as [StorageKind, Mode][]) {
    it(`runs so many tasks at once in each thread, and no more (${kind}, ${mode})`, async (t) => {
      const { tasks, journal, lines, gate, start } = await open(t, kind, mode);
      const { file, open: openGate } = gate('gate');
      const results = [];
      for (let i = 0; i < 12; i++) results.push(await tasks.hold(journal, `${i}`, file));
      await start(2, 4);
      await poll('eight starts', () => started(lines()) >= 8);
      openGate();
      for (const result of results) assert.equal(await result.get(WAIT), 1);
      assert.equal(mostAtOnce(lines()), 8);
    });
  }

  it('starts a task beside others that take long, also where they came in one go', async (t) => {
    const { tasks, journal, lines, gate, start } = await open(t);
    const [long, short] = [gate('long'), gate('short')];
    for (let i = 0; i < 3; i++) await tasks.hold(journal, `long ${i}`, long.file);
    await tasks.hold(journal, 'short', short.file);
    await start(1, 4);
    await poll('all of them', () => started(lines()) === 4);
    short.open();
    await poll('the end of one', () => lines().includes('-short'));
    await (await tasks.turn(journal, 'next')).get(WAIT);
    assert.equal(mostAtOnce(lines()), 4);
    long.open();
  });

  it('gives each run its own context', async (t) => {
    const { tasks, start } = await open(t);
    await start(1, 10);
    const results = await tasks.whoAmI.map(Array.from({ length: 40 }, (_, i) => (i * 7) % 20));
    for (const result of results) assert.deepEqual(await result.get(WAIT), [result.id, result.id]);
  });

  it('stops one run over its timeout and leaves the others alone', async (t) => {
    const { world, tasks, journal, gate, start } = await open(t);
    const { file, open: openGate } = gate('gate');
    await start(1, 4);
    const neighbour = await tasks.hold(journal, 'neighbour', file);
    await assert.rejects((await tasks.listen()).get(WAIT), TaskTimeout);
    openGate();
    assert.equal(await neighbour.get(WAIT), 1);
    assert.equal(world.logged(/interrupted|died/).length, 0);
  });

  it('gives back uncharged what ran beside a run whose thread had to be ended', async (t) => {
    const { tasks, journal, lines, gate, start } = await open(t);
    const { file, open: openGate } = gate('gate');
    const neighbour = await tasks.hold(journal, 'neighbour', file);
    await start(1, 4);
    await poll('the neighbour', () => lines().length === 1);
    await assert.rejects((await tasks.deaf()).get(WAIT), TaskTimeout);
    await poll('its second run', () => lines().length === 2);
    openGate();
    assert.equal(await neighbour.get(WAIT), 1, 'no attempt, no lapse');
  });

  it('has all that ran in a thread that died under suspicion, until only the one that did it dies', async (t) => {
    const { tasks, journal, lines, gate, start } = await open(t);
    const [end, done] = [gate('end'), gate('done')];
    const guilty = await tasks.exitWhen(end.file);
    const innocent = await tasks.hold(journal, 'innocent', done.file);
    await start(1, 4);
    await poll('the innocent', () => started(lines()) === 1);
    end.open();
    // Twice it went down with the other one; the third time it runs alone.
    await poll('its third run', () => started(lines()) === 3);
    done.open();
    await assert.rejects(guilty.get(WAIT), TaskDead);
    assert.equal(typeof (await innocent.get(WAIT)), 'number');
  });
});

describe('an error that reaches no promise', () => {
  it('fails the run that it comes from, and none beside it', async (t) => {
    const { world, tasks, journal, lines, gate, start } = await open(t);
    const { file, open: openGate } = gate('gate');
    await start(1, 8);
    const neighbours = await Promise.all(['a', 'b'].map((line) => tasks.hold(journal, line, file)));
    await poll('the neighbours', () => started(lines()) === 2);
    for (const how of ['timer', 'rejection'] as const) {
      await assert.rejects(
        (await tasks.throwLater(how)).get(WAIT),
        (error) => error instanceof TaskException && error.message.includes(`lost: ${how}`),
      );
    }
    openGate();
    for (const neighbour of neighbours) assert.equal(await neighbour.get(WAIT), 1);
    assert.equal(world.logged(/belongs to no task|died/).length, 0);
  });

  it('fails nobody where it comes from a task that has ended, though another one runs', async (t) => {
    const { world, tasks, journal, lines, gate, start } = await open(t);
    const [error, done] = [gate('error'), gate('done')];
    await start(1, 1);
    await (await tasks.leaveError(error.file)).get(WAIT);
    const other = await tasks.hold(journal, 'other', done.file);
    await poll('the other one', () => started(lines()) === 1);
    error.open();
    await poll('a word about it', () => world.logged(/belongs to no task/).length > 0);
    done.open();
    assert.equal(await other.get(WAIT), 1);
  });
});

describe('an exclusive task', () => {
  it('has its thread for itself', async (t) => {
    const { tasks, journal, lines, start } = await open(t);
    const results = [];
    for (let i = 0; i < 60; i++) results.push(await (i % 5 === 2 ? tasks.turnAlone(journal, `alone ${i}`) : tasks.turn(journal, `${i}`)));
    await start(1, 6);
    for (const result of results) await result.get({ ...WAIT });
    await poll('all lines', () => lines().length === 120);
    const all = lines();
    assert.ok(mostAtOnce(all) > 1, 'the others ran side by side');
    for (const [i, line] of all.entries()) if (line.startsWith('+alone')) assert.equal(all[i + 1], line.replace('+', '-'));
  });
});

describe('a task with a limit of its own', () => {
  it('runs no more often at once in a consumer, and many of it stand in nobody’s way', async (t) => {
    const { world, tasks, journal, lines, gate, start } = await open(t);
    const { file, open: openGate } = gate('gate');
    const few = [];
    for (let i = 0; i < 60; i++) few.push(await tasks.holdFew(journal, `few ${i}`, file));
    const others = [];
    for (let i = 0; i < 20; i++) others.push(await tasks.turn(journal, `other ${i}`));
    await start(2, 4);
    for (const other of others) await other.get(WAIT);
    await poll('two of it', () => mostAtOnce(lines(), /few/) === 2);
    const { running, scheduled } = await world.counts();
    // Two run, two wait for them; the rest is in the storage.
    assert.ok(running <= 4, `${running} held`);
    assert.ok(scheduled >= 56 - 8, `${scheduled} sent away`);
    openGate();
    for (const one of few) assert.equal(await one.get(WAIT), 1);
    assert.equal(mostAtOnce(lines(), /few/), 2);
  });
});
