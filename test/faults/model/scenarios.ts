/** What is tried at every crash point. Each names its ids itself, so that whatever else shows up is one too many. */
import assert from 'node:assert/strict';
import { tickMessage } from '../../../src/actors/tick-message.js';
import { chord } from '../../../src/api/chord.js';
import { CancelExecution, RetryTask } from '../../../src/runtime/errors.js';
import { MINUTE_MS, SECOND_MS } from '../../../src/runtime/limits.js';
import { PLAIN_CODEC } from '../../../src/runtime/payload-codec.js';
import type { Scenario } from './crash-run.js';
import { insist } from './process.js';

const PAUSE = { retryDelay: 10 };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a plain task',
    ends: { a: 'done' },
    module: (app, world) => {
      const work = app.task('work', {}, () => world.ran());
      return async () => void (await work.withOptions({ id: 'a' })());
    },
  },
  {
    name: 'twenty plain tasks in one call',
    ends: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`n${n}`, 'done' as const])),
    manyCalls: true,
    module: (app, world) => {
      const work = app.task('work', {}, () => world.ran());
      return async () => void (await Promise.all(Array.from({ length: 20 }, (_, n) => work.withOptions({ id: `n${n}` })())));
    },
  },
  {
    name: 'a retry with a delay',
    long: true,
    ends: { a: 'done' },
    runs: { a: 3 },
    module: (app, world) => {
      const work = app.task('work', { retries: 3, ...PAUSE }, () => {
        world.ran();
        if (world.runsOf('a').every(({ retries }) => retries > 1)) throw new Error('not yet');
      });
      return async () => void (await work.withOptions({ id: 'a' })());
    },
    check: (world, producerDied) => {
      const seen = new Set(world.runsOf('a').map(({ retries }) => retries));
      if (!producerDied) assert.deepEqual([...seen], [3, 2, 1], 'each failure spent one retry, nothing else did');
    },
  },
  {
    name: 'a task that fails for good, and its handler',
    ends: { a: 'failed', handler: 'done' },
    runs: { a: 2, handler: 1 },
    module: (app, world) => {
      const work = app.task('work', { retries: 1 }, () => {
        world.ran();
        throw new Error('never');
      });
      const handle = app.task('handle', {}, (_error: Error) => world.ran());
      return () =>
        app.enqueue(
          work
            .withOptions({ id: 'a' })
            .s()
            .error(handle.withOptions({ id: 'handler' })),
        );
    },
  },
  {
    name: 'a task that asks for another run, and one that cancels itself',
    long: true,
    ends: { again: 'done', enough: 'canceled' },
    runs: { again: 2, enough: 1 },
    manyCalls: true,
    module: (app, world) => {
      const again = app.task('again', {}, () => {
        world.ran();
        if (world.runsOf('again').length === 1) throw new RetryTask({ delay: 5 });
      });
      const enough = app.task('enough', {}, () => {
        world.ran();
        throw new CancelExecution({ reason: 'enough' });
      });
      return async () => {
        await again.withOptions({ id: 'again' })();
        await enough.withOptions({ id: 'enough' })();
      };
    },
  },
  {
    name: 'a pipeline of three',
    ends: { p1: 'done', p2: 'done', p3: 'done' },
    module: (app, world) => {
      const add = app.task('add', {}, (a: number, b: number) => {
        world.ran();
        return a + b;
      });
      const stage = (id: string) => add.withOptions({ id });
      return () => app.enqueue(stage('p1').s(1, 2).pipe(stage('p2'), 10).pipe(stage('p3'), 100));
    },
    check: async (world, producerDied) => {
      const [last] = await world.observer.readResults(['p3']);
      if (!producerDied) assert.equal(last?.payload, '113');
    },
  },
  {
    name: 'a pipeline that breaks off',
    ends: { p1: 'done', p2: 'failed', p3: 'canceled' },
    module: (app, world) => {
      const stage = app.task('stage', {}, (fails: boolean) => {
        world.ran();
        if (fails) throw new Error('broken');
      });
      return () =>
        app.enqueue(
          stage
            .withOptions({ id: 'p1' })
            .s(false)
            .pipe(stage.withOptions({ id: 'p2' }), true)
            .pipe(stage.withOptions({ id: 'p3' }), false),
        );
    },
  },
  {
    name: 'a chord of three with a member that fails',
    long: true,
    ends: { m1: 'done', m2: 'failed', m3: 'done', callback: 'done' },
    runs: { m1: 1, m2: 2, m3: 1, callback: 1 },
    module: (app, world) => {
      const member = app.task('member', { retries: 1, ...PAUSE }, (n: number) => {
        world.ran();
        if (n === 2) throw new Error('two');
        return n;
      });
      const collect = app.task('collect', {}, (list: unknown[]) => {
        world.ran();
        return list.map((one) => (one instanceof Error ? one.message : one));
      });
      const of = (n: number) => member.withOptions({ id: `m${n}` }).s(n);
      return () => app.enqueue(chord([of(1), of(2), of(3)], collect.withOptions({ id: 'callback' })));
    },
    check: async (world, producerDied) => {
      const [record] = await world.observer.readResults(['callback']);
      if (!producerDied) assert.equal(record?.payload, '[1,"two",3]');
    },
  },
  {
    name: 'a chord of pipelines, and a stage behind it',
    ends: { a1: 'done', a2: 'done', b1: 'done', callback: 'done', behind: 'done' },
    module: (app, world) => {
      const next = app.task('next', {}, (n: number) => {
        world.ran();
        return n + 1;
      });
      const sum = app.task('sum', {}, (list: number[]) => {
        world.ran();
        return list.reduce((all, n) => all + n, 0);
      });
      const stage = (id: string) => next.withOptions({ id });
      return () =>
        app.enqueue(
          chord([stage('a1').s(1).pipe(stage('a2')), stage('b1').s(10)], sum.withOptions({ id: 'callback' })).pipe(stage('behind')),
        );
    },
    check: async (world, producerDied) => {
      const [record] = await world.observer.readResults(['behind']);
      if (!producerDied) assert.equal(record?.payload, '15');
    },
  },
  {
    name: 'a chord whose members are revoked, expired, and dead',
    long: true,
    ends: { revoked: 'revoked', expired: 'expired', dead: 'dead', callback: 'done' },
    endsHalfway: { revoked: 'done' },
    runs: { dead: 4, callback: 1 },
    consumerLateMs: 20 * SECOND_MS,
    manyCalls: true,
    module: (app, world) => {
      const member = app.task('member', {}, () => world.ran());
      const poison = app.task('poison', {}, async () => {
        world.ran();
        app.killThread('dead');
        await new Promise(() => undefined);
      });
      const collect = app.task('collect', {}, (list: unknown[]) => {
        world.ran();
        return list.length;
      });
      const members = [
        member.withOptions({ id: 'revoked' }).s(),
        member.withOptions({ id: 'expired', expires: 10 }).s(),
        poison.withOptions({ id: 'dead' }).s(),
      ];
      return async () => {
        await app.enqueue(chord(members, collect.withOptions({ id: 'callback' })));
        await insist(() => app.client.revoke({ id: 'revoked' }, { once: true, untilMs: 0 }));
      };
    },
  },
  {
    name: 'two calls with one unique key',
    ends: { first: 'done' },
    module: (app, world) => {
      const work = app.task('work', { unique: { key: () => 'k' } }, () => world.ran());
      return async () => {
        await work.withOptions({ id: 'first' })();
        await work.withOptions({ id: 'second' })();
      };
    },
    manyCalls: true,
    check: async ({ observer }) => {
      const [second] = await observer.readResults(['second']);
      assert.equal(second, undefined, 'the second call was none');
      // Whoever comes now has the key.
      const text = '["1400000000' + '00' + '+0000' + '000000' + '0000000000000' + 'third work",{"args":[],"at":1}]';
      const { conflicts } = await observer.enqueue([{ text, unique: { key: 'work:=k', onConflict: 'existing', ttlMs: 0 } }]);
      assert.deepEqual(conflicts, [], 'the key is free');
    },
  },
  {
    name: 'a unique call that takes the place of another',
    ends: { first: 'revoked', second: 'done' },
    // When it is replaced, and when it is found where it waits.
    told: { first: 2 },
    endsHalfway: { first: 'done' },
    manyCalls: true,
    module: (app, world) => {
      const work = app.task('work', { unique: { key: () => 'k', onConflict: 'replace' } }, () => world.ran());
      return async () => {
        await work.withOptions({ id: 'first' })();
        await work.withOptions({ id: 'second' })();
      };
    },
  },
  {
    name: 'a task that is due in a minute',
    long: true,
    ends: { a: 'done' },
    module: (app, world) => {
      const work = app.task('work', {}, () => world.ran());
      return async () => void (await work.withOptions({ id: 'a' }).schedule({ delay: 60 }));
    },
    check: (world) => {
      for (const { at } of world.runs) assert.ok(at >= MINUTE_MS, `it ran after ${at} ms`);
    },
  },
  {
    name: 'a task that is revoked before it starts',
    ends: { a: 'revoked', b: 'done' },
    endsHalfway: { a: 'done' },
    manyCalls: true,
    module: (app, world) => {
      const work = app.task('work', {}, () => world.ran());
      return async () => {
        await work.withOptions({ id: 'a' })();
        await insist(() => app.client.revoke({ id: 'a' }, { once: true, untilMs: 0 }));
        await work.withOptions({ id: 'b' })();
      };
    },
  },
  {
    name: 'a pipeline whose first stage is revoked',
    ends: { p1: 'revoked', p2: 'canceled' },
    endsHalfway: { p1: 'done', p2: 'done' },
    manyCalls: true,
    module: (app, world) => {
      const work = app.task('work', {}, () => world.ran());
      return async () => {
        await app.enqueue(
          work
            .withOptions({ id: 'p1' })
            .s()
            .pipe(work.withOptions({ id: 'p2' })),
        );
        await insist(() => app.client.revoke({ id: 'p1' }, { once: true, untilMs: 0 }));
      };
    },
  },
  {
    name: 'a task that expires before it starts',
    long: true,
    ends: { a: 'expired' },
    consumerLateMs: 20 * SECOND_MS,
    module: (app, world) => {
      const work = app.task('work', { expires: 10 }, () => world.ran());
      return async () => void (await work.withOptions({ id: 'a' })());
    },
  },
  {
    name: 'a task whose thread dies each time, and innocent ones',
    ends: { poison: 'dead', g1: 'done', g2: 'done', g3: 'done' },
    runs: { poison: 4, g1: 1, g2: 1, g3: 1 },
    manyCalls: true,
    module: (app, world) => {
      const poison = app.task('poison', {}, async () => {
        world.ran();
        app.killThread('poison');
        await new Promise(() => undefined);
      });
      const good = app.task('good', {}, () => world.ran());
      return async () => {
        await good.withOptions({ id: 'g1' })();
        await poison.withOptions({ id: 'poison' })();
        await good.withOptions({ id: 'g2' })();
        await good.withOptions({ id: 'g3' })();
      };
    },
  },
  {
    name: 'a task that takes the whole process along',
    long: true,
    ends: { poison: 'dead' },
    // Twice beside others, as far as anybody can tell; then alone, and dead after more than three of these.
    runs: { poison: 6 },
    module: (app, world) => {
      const poison = app.task('poison', {}, async () => {
        world.ran();
        app.line.crash();
        await new Promise(() => undefined);
      });
      return async () => void (await poison.withOptions({ id: 'poison' })());
    },
  },
  {
    name: 'two tasks that want one lock',
    long: true,
    ends: { a: 'done', b: 'done' },
    manyCalls: true,
    module: (app, world) => {
      const work = app.task('work', { retries: 40, ...PAUSE }, async () => {
        await app.lock('beans').run(async () => {
          world.ran();
          await insist(() => app.client.counts());
        });
      });
      return async () => {
        await work.withOptions({ id: 'a' })();
        await work.withOptions({ id: 'b' })();
      };
    },
    check: async ({ observer }) => {
      assert.equal(await observer.isLocked('beans'), false, 'the lock is free');
    },
  },
  {
    name: 'a tick of a periodic task',
    long: true,
    ends: {},
    strangers: 1,
    beats: 4,
    module: (app, world) => {
      app.task('tick', {}, () => world.ran());
      return async () => undefined;
    },
    beat: async (app, { observer, nowMs }) => {
      const definition = app.huey.registry.get('tick');
      if (definition === undefined) return;
      const { now } = await observer.promote(0);
      // All of them ask for one and the same minute, each with a message of its own.
      const minuteMs = Math.floor((now - nowMs) / MINUTE_MS) * MINUTE_MS;
      const text = tickMessage(definition, `tick-${nowMs}`, minuteMs, now, PLAIN_CODEC);
      await insist(() => app.line.storage.tick({ task: 'tick', minuteMs, text }));
    },
    check: async ({ observer, runs }) => {
      const [record] = await observer.readResults([runs[0]?.id ?? '']);
      assert.equal(record?.state, 'done');
    },
  },
];
