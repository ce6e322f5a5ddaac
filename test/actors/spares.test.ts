/** Warm threads that stand by: how many, how long, and that they are there when places are lost together. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Crew } from '../../src/actors/crew.js';
import type { Place } from '../../src/actors/place.js';
import { Spares } from '../../src/actors/spares.js';
import { userProject } from '../cli/command.js';
import { poll } from '../support/poll.js';
import { readLines } from './consumer-world.js';

const MINUTE_MS = 60_000;

/** Spares of a consumer with eight workers, and the time that they see. */
class World {
  nowMs = 0;
  shedLooks = 0;
  readonly spares = new Spares({ most: 8, shed: () => (this.shedLooks += 1), now: () => this.nowMs });

  constructor(t: TestContext) {
    t.after(() => this.spares.end());
  }

  lose(places: number): void {
    for (let i = 0; i < places; i++) this.spares.lost();
  }
}

describe('spares', () => {
  it('are none where no task can time out, and one where a task can', (t) => {
    const { spares } = new World(t);
    assert.equal(spares.wanted, 0);
    spares.adopt(true);
    assert.equal(spares.wanted, 1);
    spares.adopt(false);
    assert.equal(spares.wanted, 0);
  });

  it('are as many as places were lost together, for a minute after they last were', (t) => {
    const world = new World(t);
    world.spares.adopt(true);
    world.lose(4);
    assert.equal(world.spares.wanted, 4);
    world.nowMs = MINUTE_MS - 1;
    assert.equal(world.spares.wanted, 4);
    world.lose(2);
    world.nowMs = MINUTE_MS;
    assert.equal(world.spares.wanted, 2);
    world.nowMs = 2 * MINUTE_MS;
    assert.equal(world.spares.wanted, 1);
  });

  it('are no more for losses that come one by one', (t) => {
    const world = new World(t);
    for (let i = 0; i < 20; i++) {
      world.nowMs += 2000;
      world.lose(1);
    }
    assert.equal(world.spares.wanted, 1);
  });

  it('are more where a thread takes longer to start: what is lost meanwhile needs one as well', (t) => {
    const world = new World(t);
    world.spares.started(3000);
    for (let i = 0; i < 3; i++) {
      world.nowMs += 2000;
      world.lose(1);
    }
    assert.equal(world.spares.wanted, 3);
  });

  it('are never more than there are workers', (t) => {
    const world = new World(t);
    world.lose(100);
    assert.equal(world.spares.wanted, 8);
  });

  it('are looked at every five seconds, so that those that are too many go one by one', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const world = new World(t);
    t.mock.timers.tick(4999);
    assert.equal(world.shedLooks, 0);
    t.mock.timers.tick(10_001);
    assert.equal(world.shedLooks, 3);
    world.spares.end();
    t.mock.timers.tick(MINUTE_MS);
    assert.equal(world.shedLooks, 3);
  });
});

const WORKERS = 3;

/** Threads without a consumer: nobody gives them work, so that the test alone decides which of them are lost. */
class Threads {
  /** In the order in which they were given a place. */
  readonly places: Place[] = [];
  readonly gone: { number: number; expected: boolean }[] = [];
  readonly #journal: string;
  readonly #crew: Crew;

  static async start(t: TestContext, { workers = WORKERS } = {}): Promise<Threads> {
    const folder = await userProject(t, {
      'tasks.js': `
        import { appendFileSync } from 'node:fs';
        import { MemoryHuey } from 'huey-runtime';
        export const huey = new MemoryHuey('spares');
        huey.onStartup(() => appendFileSync(new URL('journal', import.meta.url), 'up\\n'));
        export const brief = huey.task({ timeout: 1 }, function brief() {});`,
    });
    const threads = new Threads(folder, workers);
    t.after(() => threads.#crew.endAll('now'));
    await poll('all places', () => threads.places.length === workers);
    return threads;
  }

  private constructor(folder: string, workers: number) {
    const nothing = (): void => undefined;
    this.#journal = path.join(folder, 'journal');
    this.#crew = new Crew(
      {
        module: pathToFileURL(path.join(folder, 'tasks.js')).href,
        ...{
          huey: undefined,
          workers,
          concurrency: 1,
          maxMemoryMib: undefined,
          imports: [],
          openStorage: nothing,
          output: 'plain' as const,
        },
        recycle: { maxTasks: undefined, maxAgeMs: undefined, maxHeapMib: undefined },
      },
      {
        onManifest: () => this.#crew.open(),
        onUnloadable: ({ message }) => assert.fail(message),
        onPlace: (place) => this.places.push(place),
        onGone: ({ number }, _reason, expected) => this.gone.push({ number, expected }),
        ...{ onLeaving: nothing, onRecycled: nothing, onOutcome: nothing, onFinished: nothing, onStarted: nothing },
        ...{ onCompletion: nothing, onChunkEnd: nothing, onStray: nothing, onFalseStart: nothing },
      },
    );
  }

  /** How many have loaded the module so far. */
  get started(): number {
    return readLines(this.#journal).length;
  }

  /** Ends all that work at this moment, and waits until as many have taken over. */
  async loseAll(workers = WORKERS): Promise<Place[]> {
    const before = this.places.length;
    for (const place of this.places.slice(-workers)) place.kill();
    await poll('others in their places', () => this.places.length === before + workers);
    return this.places.slice(-workers);
  }
}

/** Whether it is among the first so many threads. */
const wasStartedBy =
  (count: number) =>
  ({ number }: Place): boolean =>
    number <= count;

describe('the threads of a consumer', { timeout: 120_000 }, () => {
  it('have as many warm ones beside them as were lost together, when that happens again', async (t) => {
    const threads = await Threads.start(t);
    await poll('the first spare', () => threads.started === WORKERS + 1);
    const first = await threads.loseAll();
    assert.equal(first.filter(wasStartedBy(WORKERS + 1)).length, 1);
    // The spare, one for each of the other places, and now as many spares as there are places.
    await poll('spares for all', () => threads.started === 3 * WORKERS);
    const second = await threads.loseAll();
    assert.ok(second.every(wasStartedBy(3 * WORKERS)), second.map(({ number }) => number).join());
  });

  it('give the place of one that is ended to a spare at once, and not when it is gone', async (t) => {
    const threads = await Threads.start(t);
    // Again, where the spare had not started yet.
    await poll('a spare that was there', async () => {
      const before = threads.places.length;
      threads.places.at(-1)?.kill();
      const wasAtOnce = threads.places.length === before + 1;
      await poll('another in its place', () => threads.places.length === before + 1);
      return wasAtOnce;
    });
  });

  it('have one started for each that does not react to a soft stop, and one by one they go when there is no need', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const threads = await Threads.start(t);
    await poll('the spare', () => threads.started === WORKERS + 1);
    for (const place of threads.places) for (const lane of place.lanes.slice(0, 1)) place.locate(lane, 0);
    await poll('one for each', () => threads.started === 2 * WORKERS);
    t.mock.timers.tick(10_000);
    assert.deepEqual(threads.gone, []);
    // They reacted after all.
    for (const place of threads.places) place.deaf = false;
    for (let left = 1; left < WORKERS; left++) {
      t.mock.timers.tick(5000);
      await poll('one to go', () => threads.gone.length === left);
    }
    t.mock.timers.tick(60_000);
    assert.deepEqual(
      threads.gone.map(({ expected }) => expected),
      [true, true],
    );
    assert.ok(threads.places.every(({ ready }) => ready));
  });
});
