import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { HOLD_MS, Watchdog } from '../../src/actors/watchdog.js';
import { decodeCompletions } from '../../src/runtime/completion.js';
import { encodeMessage, idOf, SEPARATOR } from '../../src/runtime/message.js';
import { FakePlace } from './fake-place.js';

const HEAD = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

/** A watchdog in time that passes only when told. */
function open(
  t: TestContext,
  { starving = false, graceMs = 30, seats = 1 } = {},
): { place: FakePlace; took: string[]; done: string[]; dog: Watchdog; pass: (ms: number) => void } {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const pass = (ms: number): void => {
    for (let i = 0; i < ms; i++) {
      now += 1;
      t.mock.timers.tick(1);
    }
  };
  const place = new FakePlace(seats);
  const took: string[] = [];
  const done: string[] = [];
  const dog = new Watchdog({
    places: () => [place.place],
    starving: () => starving,
    collected: (_, bytes) => done.push(...decodeCompletions(bytes).map(({ id }) => id)),
    tookBack: (texts) => took.push(...texts.map((text) => idOf(text))),
    graceMs: () => graceMs,
    exclusive: (task) => task === 'exclusive',
  });
  t.after(() => dog.sleep());
  return { place, took, done, dog, pass };
}

function post(place: FakePlace, lane: number, ids: string[], timeoutMs = 0, name = 'a'): void {
  const texts = ids.map((id) => encodeMessage({ ...HEAD, id, name, timeoutMs }, '{"args":[],"at":1}'));
  place.post(place.lane(lane), { text: texts.join(SEPARATOR), count: ids.length });
}

describe('the watchdog', () => {
  it('collects results while their chunk still runs', (t) => {
    const { place, done, dog, pass } = open(t);
    post(place, 0, ['a', 'b']);
    dog.wake();
    place.claim('a');
    place.complete('a');
    place.claim('b');
    pass(5);
    assert.deepEqual(done, ['a']);
  });

  it('takes back what waits behind one task for a while, in every lane of the place', (t) => {
    const { place, took, dog, pass } = open(t);
    post(place, 0, ['a', 'b']);
    post(place, 1, ['c']);
    dog.wake();
    place.claim('a');
    pass(HOLD_MS);
    assert.deepEqual(took, []);
    pass(5);
    assert.deepEqual(took.sort(), ['b', 'c']);
    assert.equal(place.claim('c'), false);
  });

  it('takes it back at the second look for a place that has nothing to do', (t) => {
    const { place, took, dog, pass } = open(t, { starving: true });
    post(place, 0, ['a', 'b']);
    dog.wake();
    place.claim('a');
    pass(9);
    assert.deepEqual(took, []);
    pass(1);
    assert.deepEqual(took, ['b']);
    assert.equal(place.lane().memory.takeBack(0), false, 'what runs stays');
  });

  it('leaves a place alone that goes from task to task', (t) => {
    const { place, took, done, dog, pass } = open(t, { starving: true });
    const ids = Array.from({ length: 200 }, (_, i) => `t${i}`);
    post(place, 0, ids);
    dog.wake();
    for (const id of ids) {
      place.claim(id);
      pass(1);
      place.complete(id);
    }
    pass(5);
    assert.deepEqual([took, place.aborted, done], [[], [], ids]);
  });

  it('ends no thread when the stopped run is over, though another one runs', (t) => {
    const { place, dog, pass } = open(t);
    post(place, 0, ['a', 'b'], 20);
    dog.wake();
    place.claim('a');
    pass(25);
    assert.equal(place.aborted.length, 1);
    place.lane().memory.reported(0);
    place.claim('b');
    pass(15);
    assert.equal(place.killed, false, 'it is not stopped for what another did');
    pass(15);
    assert.equal(place.killed, false);
  });

  it('ends the thread of a run that does not stop, after the grace and not before', (t) => {
    const { place, dog, pass } = open(t, { graceMs: 40 });
    post(place, 0, ['a'], 20);
    dog.wake();
    place.claim('a');
    pass(25);
    assert.deepEqual(place.aborted, [{ lane: 0, slot: 0, reason: 'timeout' }]);
    assert.equal(place.lane().stops.get(0), 'timeout');
    pass(35);
    assert.equal(place.killed, false);
    pass(5);
    assert.equal(place.killed, true);
  });

  it('never stops a task without a timeout, nor one that waits', (t) => {
    const { place, took, dog, pass } = open(t);
    post(place, 0, ['a']);
    post(place, 1, ['b'], 1);
    dog.wake();
    place.claim('a');
    pass(1000);
    assert.deepEqual(took, ['b']);
    assert.deepEqual([place.aborted, place.killed], [[], false]);
  });

  it('sleeps when nothing runs, and wakes again', (t) => {
    const { place, dog, pass, done } = open(t);
    const started = t.mock.method(globalThis, 'setInterval');
    const ended = t.mock.method(globalThis, 'clearInterval');
    post(place, 0, ['a']);
    dog.wake();
    place.claim('a');
    pass(5);
    assert.deepEqual([started.mock.callCount(), ended.mock.callCount()], [1, 0]);
    place.complete('a');
    place.lane().unload();
    pass(5);
    assert.deepEqual([started.mock.callCount(), ended.mock.callCount()], [1, 1]);
    post(place, 0, ['b']);
    dog.wake();
    place.claim('b');
    place.complete('b');
    pass(5);
    assert.deepEqual([started.mock.callCount(), done], [2, ['b']]);
  });
});

describe('the watchdog of a place with several seats', () => {
  it('follows each run with a time of its own', (t) => {
    const { place, dog, pass } = open(t, { seats: 3, graceMs: 100 });
    post(place, 0, ['a', 'b'], 50);
    dog.wake();
    place.claim('a');
    pass(30);
    place.claim('b');
    pass(25);
    assert.deepEqual(place.aborted, [{ lane: 0, slot: 0, reason: 'timeout' }]);
    pass(30);
    assert.deepEqual(place.aborted.slice(1), [{ lane: 0, slot: 1, reason: 'timeout' }]);
    place.lane().memory.reported(0);
    pass(75);
    assert.equal(place.killed, false, 'the first has ended, the second has its grace');
    pass(30);
    assert.equal(place.killed, true);
  });

  it('stops what runs beside it before it ends a thread, for the supervisor', (t) => {
    const { place, took, dog, pass } = open(t, { seats: 3, graceMs: 10 });
    post(place, 0, ['deaf'], 20);
    post(place, 1, ['neighbour', 'done']);
    post(place, 2, ['late']);
    dog.wake();
    for (const id of ['deaf', 'neighbour', 'done']) place.claim(id);
    place.complete('done');
    pass(40);
    assert.equal(place.killed, true);
    assert.deepEqual(
      [...place.lane(0).stops, ...place.lane(1).stops],
      [
        [0, 'timeout'],
        [0, 'stopping'],
      ],
    );
    assert.deepEqual(took, ['late']);
    assert.equal(place.complete('neighbour'), false);
  });

  it('takes back what waits where nothing moves, and gives nothing until something does', (t) => {
    const { place, took, dog, pass } = open(t, { seats: 3 });
    post(place, 0, ['a']);
    post(place, 1, ['b', 'c']);
    dog.wake();
    place.claim('a');
    place.claim('b');
    pass(HOLD_MS - 5);
    assert.deepEqual([took, place.blocked], [[], false]);
    pass(5);
    assert.deepEqual([took, place.blocked], [['c'], true]);
    place.complete('a');
    pass(5);
    assert.equal(place.blocked, false);
  });

  it('takes back what has waited for a while though others begin and end, and not sooner', (t) => {
    const { place, took, dog, pass } = open(t, { seats: 2 });
    post(place, 0, ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    dog.wake();
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      place.claim(id);
      pass(HOLD_MS / 5);
      if (id !== 'e') assert.deepEqual(took, []);
      place.complete(id);
    }
    assert.deepEqual(took, ['f', 'g']);
  });

  it('lets an exclusive task keep its turn, and takes back what waits behind it', (t) => {
    const { place, took, dog, pass } = open(t, { seats: 3 });
    post(place, 0, ['a']);
    pass(1);
    post(place, 1, ['x'], 0, 'exclusive');
    pass(1);
    post(place, 2, ['b']);
    dog.wake();
    place.claim('a');
    pass(HOLD_MS + 10);
    assert.deepEqual([took, place.blocked], [['b'], true]);
    assert.equal(place.claim('x'), true);
  });
});

describe('the watchdog of a place where an exclusive task runs', () => {
  it('takes back at the second look what waits behind it', (t) => {
    const { place, took, dog, pass } = open(t);
    post(place, 0, ['x'], 0, 'exclusive');
    post(place, 1, ['b']);
    dog.wake();
    place.claim('x');
    pass(5);
    assert.deepEqual([took, place.blocked], [[], true]);
    pass(5);
    assert.deepEqual(took, ['b']);
  });
});
