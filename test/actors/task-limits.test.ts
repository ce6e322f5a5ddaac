import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { TaskLimits } from '../../src/actors/task-limits.js';
import { encodeMessage, idOf } from '../../src/runtime/message.js';
import { FakePlace } from './fake-place.js';

const HEAD = { attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

function text(id: string, name = 'few'): string {
  return encodeMessage({ ...HEAD, id, name }, '{"args":[],"at":1}');
}

function open(t: TestContext): {
  limits: TaskLimits;
  place: FakePlace;
  away: Map<string, number>;
  run: () => string;
  pass: (ms: number) => void;
} {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const away = new Map<string, number>();
  const limits = new TaskLimits(new Map([['few', 2]]), (one, delayMs) => away.set(idOf(one), delayMs));
  const place = new FakePlace(8);
  t.after(() => limits.drawAll());
  return {
    limits,
    place,
    away,
    run() {
      const next = limits.next([place.place]);
      const lane = place.lanes.find(({ busy }) => !busy);
      if (next === undefined || lane === undefined) return '';
      place.post(lane, { text: next.text, count: 1 });
      lane.limited = next.task;
      lane.memory.claim(0);
      return idOf(next.text);
    },
    pass(ms) {
      now += ms;
      t.mock.timers.tick(ms);
    },
  };
}

describe('tasks with a limit of their own', () => {
  it('are kept out of what is handed on, as many as may run wait, the others are sent away', (t) => {
    const { limits, place, away } = open(t);
    const rest = limits.keep([text('a'), text('x', 'other'), text('b'), text('c'), 'no message'], [place.place]);
    assert.deepEqual(rest, [text('x', 'other'), 'no message']);
    assert.deepEqual(
      limits.texts.map((one) => idOf(one)),
      ['a', 'b'],
    );
    assert.deepEqual([...away.keys()], ['c']);
  });

  it('run no more often than they may, and the next one when one has ended', (t) => {
    const { limits, place, run } = open(t);
    limits.keep([text('a'), text('b')], [place.place]);
    assert.deepEqual([run(), run(), run()], ['a', 'b', '']);
    limits.keep([text('c'), text('d')], [place.place]);
    assert.equal(run(), '');
    assert.equal(limits.allows(text('suspect'), [place.place]), false);
    assert.equal(limits.allows(text('x', 'other'), [place.place]), true);
    place.complete('a');
    assert.equal(run(), 'c');
    place.lane(1).unload();
    assert.equal(run(), 'd');
  });

  it('come back about when it is their turn, sooner rather than later, at last after five minutes', (t) => {
    const { limits, place, away, run } = open(t);
    limits.keep([text('a'), text('b'), text('c'), text('d')], [place.place]);
    run();
    run();
    limits.keep([text('c'), text('d')], [place.place]);
    for (let i = 0; i < 20; i++) limits.note('few', 1000);
    limits.keep(
      Array.from({ length: 5000 }, (_, i) => text(`t${i}`)),
      [place.place],
    );
    const delay = (id: string): number => away.get(id) ?? assert.fail(id);
    // The tenth waits for nine runs of a second, two at a time: 4.5 s; half of that.
    assert.ok(delay('t9') > 2000 && delay('t9') < 3000, String(delay('t9')));
    assert.ok(delay('t100') > delay('t50'));
    const all = [...away.values()];
    assert.ok(Math.max(...all) <= 300_000 && Math.min(...all) >= 100);
    const far = Array.from({ length: 1000 }, (_, i) => delay(`t${4000 + i}`));
    assert.ok(Math.max(...far) - Math.min(...far) > 140_000, 'not all at once');
  });

  it('take a run that has not ended for at least as long as it has taken', (t) => {
    const { limits, place, away, run, pass } = open(t);
    limits.keep([text('a'), text('b')], [place.place]);
    assert.deepEqual([run(), run()], ['a', 'b']);
    pass(60_000);
    limits.keep([text('c'), text('d'), text('e')], [place.place]);
    assert.ok((away.get('e') ?? 0) >= 15_000, String(away.get('e')));
  });

  it('wait here for ten seconds, no longer: another consumer may have room for them', (t) => {
    const { limits, place, away, run, pass } = open(t);
    limits.keep([text('a'), text('b')], [place.place]);
    run();
    run();
    limits.keep([text('c')], [place.place]);
    pass(5000);
    assert.equal(limits.waiting, 1);
    for (let i = 0; i < 6; i++) pass(1000);
    assert.deepEqual([limits.waiting, away.get('c')], [0, 1000]);
  });

  it('are forgotten as too many once they have all run', (t) => {
    const { limits, place, away, run } = open(t);
    limits.keep(
      Array.from({ length: 3000 }, (_, i) => text(`t${i}`)),
      [place.place],
    );
    assert.deepEqual([run(), run(), run()], ['t0', 't1', '']);
    for (let i = 0; i < 20; i++) limits.note('few', 1000);
    for (const id of ['t0', 't1']) place.complete(id);
    assert.equal(run(), '', 'nothing waits');
    limits.keep([text('a'), text('b'), text('c')], [place.place]);
    assert.ok((away.get('c') ?? Infinity) < 1000, String(away.get('c')));
  });
});
