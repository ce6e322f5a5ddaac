/** What a module is told of its tasks while a consumer runs them: signals, hooks, threads; and what other processes see. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CreateSupervisorOptions, SupervisorHandle } from '../../src/actors/create-supervisor.js';
import type { HueyEvent } from '../../src/api/index.js';
import type { Storage } from '../../src/runtime/storage.js';
import { missLastTick } from '../guide/ticks.js';
import { poll } from '../support/poll.js';
import type { Cleanup } from '../support/temp-dir.js';
import { ConsumerWorld, fixtureUrl, type StorageKind } from './consumer-world.js';

type Watched = typeof import('../fixtures/watched-tasks.js');

const WAIT = { blocking: true, timeout: 20 } as const;

/** A consumer of the module that watches, and the same module in the producer. */
class WatchedWorld {
  readonly tasks: Watched;
  readonly consumer: SupervisorHandle;
  /** A look behind the scenes. */
  readonly storage: Storage;
  readonly lines: () => string[];

  static async make(t: Cleanup, kind: StorageKind, options: Partial<CreateSupervisorOptions> = {}): Promise<WatchedWorld> {
    const world = await ConsumerWorld.make(t, { kind });
    const { file, lines } = world.journal();
    const module = fixtureUrl('watched-tasks', world.queue, world.url);
    module.searchParams.set('journal', file);
    const tasks = (await import(module.href)) as Watched;
    t.after(() => tasks.huey.close());
    return new WatchedWorld(tasks, world.consumer({ module, workers: 1, ...options }), await world.storage(), lines);
  }

  private constructor(tasks: Watched, consumer: SupervisorHandle, storage: Storage, lines: () => string[]) {
    this.tasks = tasks;
    this.consumer = consumer;
    this.storage = storage;
    this.lines = lines;
  }

  /** What the journal says of one invocation, without its id. */
  of(id: string): string[] {
    return this.lines().flatMap((line) => {
      const [who, subject, ...rest] = line.split(' ');
      return subject === id ? [`${who} ${rest.join(' ').trimEnd()}`] : [];
    });
  }

  /** The same, once there are so many lines. */
  async told(id: string, count: number): Promise<string[]> {
    await poll(`${count} lines about ${id}`, () => this.of(id).length >= count);
    return this.of(id);
  }
}

for (const kind of ['memory', 'sqlite', 'redis'] as const) {
  describe(`a module that watches its tasks, on ${kind}`, () => {
    it('is told of each step in order, in the producer and in the worker, and can read the result at the end', async (t) => {
      const world = await WatchedWorld.make(t, kind);
      await world.consumer.start();
      const res = await world.tasks.half.withOptions({ meta: { tenant: 'a' } })(10);
      assert.equal(await res.get({ ...WAIT, preserve: true }), 5);
      assert.deepEqual((await world.told(res.id, 6)).toSorted(), [
        'producer enqueued half [10] {"tenant":"a"}',
        'worker complete half [10] {"tenant":"a"}',
        'worker executing half [10] {"tenant":"a"}',
        'worker post 5',
        'worker pre true',
        'worker read 5',
      ]);
      // The producer writes on its own; what the worker says comes in this order.
      assert.deepEqual(
        world.of(res.id).flatMap((line) => (line.startsWith('worker') ? [line.split(' ')[1]] : [])),
        ['executing', 'pre', 'post', 'complete', 'read'],
      );
    });

    it('is told how tasks end and that they are tried again', async (t) => {
      const world = await WatchedWorld.make(t, kind);
      const { tasks } = world;
      const held = await tasks.huey.lockTask('door').acquire();
      await tasks.huey.rateLimit('tap', { limit: 1, per: 3600 }).acquire();
      const revoked = await tasks.half(2);
      await revoked.revoke();
      const expired = await tasks.half.withOptions({ expires: new Date(5) })(4);
      const failed = await tasks.half.withOptions({ retries: 1 })(3);
      const guarded = await tasks.guarded();
      const stubborn = await tasks.stubborn();
      const quitter = await tasks.quitter.withOptions({ retries: 1 })();
      const locked = await tasks.locked.withOptions({ retries: 1 })();
      const limited = await tasks.limited();
      const slow = await tasks.slow();
      await world.consumer.start();
      const steps = async (id: string, count: number): Promise<string[]> =>
        (await world.told(id, count + 1)).filter((line) => line.startsWith('worker')).map((line) => line.slice('worker '.length));
      /** The next try may begin while the end of the one before is told: what counts is what was told at all. */
      const sorted = async (id: string, count: number): Promise<string[]> => (await steps(id, count)).toSorted();
      const run = (name: string, args = '[]'): string[] => [`executing ${name} ${args} {}`, 'pre true'];
      const lock = '(LockUnavailable: the lock ...)';

      assert.deepEqual(await steps(revoked.id, 1), ['revoked half [2] {}']);
      assert.deepEqual(await steps(expired.id, 1), ['expired half [4] {}']);
      const odd = '(RangeError: odd)';
      const oddRun = [...run('half', '[3]'), `post  ${odd}`, `error half [3] {} ${odd}`];
      assert.deepEqual(await sorted(failed.id, 9), [...oddRun, ...oddRun, `retrying half [3] {} ${odd}`].toSorted());
      assert.deepEqual(await steps(guarded.id, 3), [...run('guarded'), 'canceled guarded [] {}']);
      const words = async (id: string, count: number): Promise<string[]> =>
        (await sorted(id, count)).map((line) => line.split(' ')[0] ?? '');
      const around = ['executing', 'pre', 'post'];
      assert.deepEqual(await words(stubborn.id, 8), [...around, ...around, 'retrying', 'complete'].toSorted());
      assert.deepEqual(await words(quitter.id, 9), [...around, ...around, 'canceled', 'retrying', 'canceled'].toSorted());
      const lockedRun = [...run('locked'), `post  ${lock}`, `locked locked [] {} ${lock}`];
      assert.deepEqual(await sorted(locked.id, 9), [...lockedRun, ...lockedRun, `retrying locked [] {} ${lock}`].toSorted());
      assert.match((await steps(limited.id, 4))[3] ?? '', /^rate-limited limited \[\] \{\} \(RateLimitReached: /);
      assert.match((await steps(slow.id, 4))[3] ?? '', /^timeout slow \[\] \{\}/);
      assert.ok(!world.lines().includes('worker it ran'));
      await held.release();
    });

    it('starts up and shuts down in each thread, before its first task and behind its last', async (t) => {
      const world = await WatchedWorld.make(t, kind, { workers: 2 });
      await world.consumer.start();
      const thread = await (await world.tasks.whichThread()).get(WAIT);
      await world.consumer.stop();
      const threads = (what: string): number[] =>
        world.lines().flatMap((line) => (line.startsWith(`worker ${what} `) ? [Number(line.split(' ')[2])] : []));
      const [started, ended] = [threads('startup'), threads('shutdown')];
      // The other one may have been about to start when the consumer stopped.
      assert.ok(started.includes(thread) && ended.includes(thread), world.lines().join('\n'));
      assert.ok(ended.every((one) => started.includes(one)) && new Set(started).size === started.length);
    });
  });

  describe(`who watches by events, on ${kind}`, () => {
    it('sees by events, with the names and fields of 1.x, what a consumer does', async (t) => {
      const world = await WatchedWorld.make(t, kind);
      const { tasks } = world;
      const seen = await watch(world);
      const held = await tasks.huey.lockTask('door').acquire();
      await tasks.huey.revokeById('revoked');
      await tasks.half.withOptions({ id: 'revoked' })(2);
      await tasks.half.withOptions({ id: 'expired', expires: new Date(5) })(4);
      await tasks.half.withOptions({ id: 'failed', retries: 1, retryDelay: 0.01 })(3);
      await tasks.locked.withOptions({ id: 'locked' })();
      await tasks.half.schedule({ id: 'later', args: [6], delay: 0.01 });
      const [first, second] = await tasks.huey.enqueue(tasks.half.s(8).pipe(tasks.half));
      const expected = {
        revoked: ['revoked'],
        expired: ['expired'],
        failed: ['started', 'error-task', 'retrying', 'scheduled', 'started', 'error-task'],
        locked: ['started', 'locked'],
        [first.id]: ['started', 'finished'],
        [second.id]: ['started', 'finished'],
      };
      const ids = [...Object.keys(expected), 'later'];
      const count = Object.values(expected).flat().length + 3;
      await poll('the events', () => seen.filter(({ id = '' }) => ids.includes(id)).length >= count);
      const statuses = ids.map((id) => [id, seen.flatMap((one) => (one.id === id ? [one.status] : []))] as const);
      const { later, ...others } = Object.fromEntries(statuses);
      assert.deepEqual(others, expected);
      // Told by the producer; what the others do is told by the consumer.
      assert.deepEqual(later?.toSorted(), ['finished', 'scheduled', 'started']);

      for (const { status, id, error, timestamp, task, retries, retryDelay, duration, traceback, executeTime } of seen) {
        if (id === undefined || !ids.includes(id)) continue;
        assert.equal(error, status === 'error-task', status);
        assert.ok(Math.abs(timestamp - Date.now() / 1000) < 600);
        assert.equal(task, id === 'locked' ? 'locked' : 'half');
        assert.deepEqual([typeof retries, retryDelay], ['number', id === 'failed' ? 0.01 : 0]);
        assert.equal(traceback !== undefined, status === 'error-task', status);
        if (status === 'finished' || status === 'error-task') assert.ok((duration ?? -1) >= 0, status);
        if (status === 'scheduled') assert.ok((executeTime ?? 0) > timestamp - 600);
      }
      await held.release();
    });

    it('sees that crontabs are looked at and a tick is enqueued, which is retried as a call is and leaves no value', async (t) => {
      const world = await WatchedWorld.make(t, kind);
      const { tasks } = world;
      await missLastTick(world.storage, ['everyMinute']);
      const stream = tasks.huey.events();
      await stream.listening;
      await world.consumer.start();
      const seen: HueyEvent[] = [];
      for await (const event of stream) {
        seen.push(event);
        if (event.status === 'finished') break;
      }
      assert.equal(seen[0]?.status, 'checking-periodic');
      // A minute may end meanwhile, and have a tick of its own.
      const id = seen.find(({ status }) => status === 'scheduling-periodic')?.id;
      // The tick may start before the one who enqueued it can say so.
      const told = seen.filter((event) => event.id === id).map(({ status, task }) => `${status} ${task}`);
      const expected = ['scheduling-periodic', 'started', 'error-task', 'retrying', 'started', 'finished'];
      assert.deepEqual(told.toSorted(), expected.map((status) => `${status} everyMinute`).toSorted());
      await poll('its end', async () => (await world.storage.counts()).running === 0);
      assert.equal(await world.storage.resultCount(), 0);
    });
  });
}

describe('a consumer with maxTasks', () => {
  it('replaces a thread after so many tasks', async (t) => {
    const world = await WatchedWorld.make(t, 'memory', { workers: 1, maxTasks: 3 });
    await world.consumer.start();
    const threads: number[] = [];
    await poll('a third thread', async () => {
      threads.push(await (await world.tasks.whichThread()).get(WAIT));
      return new Set(threads).size === 3;
    });
    for (const thread of new Set(threads.slice(0, -1))) {
      const served = threads.filter((one) => one === thread).length;
      // It works on until the next one is warm.
      assert.ok(served >= 3, String(served));
    }
    await poll('the end of two threads', () => world.lines().filter((line) => line.startsWith('worker shutdown')).length === 2);
  });
});

/** Starts the consumer, and resolves when what it does is told. */
async function watch({ tasks, consumer }: WatchedWorld): Promise<readonly HueyEvent[]> {
  const seen: HueyEvent[] = [];
  const stream = tasks.huey.events();
  await stream.listening;
  void (async () => {
    for await (const event of stream) seen.push(event);
  })();
  await consumer.start();
  // Consumers look once a second whether somebody listens.
  await poll('the first event', async () => {
    await (await tasks.whichThread()).get(WAIT);
    return seen.length > 0;
  });
  return seen;
}
