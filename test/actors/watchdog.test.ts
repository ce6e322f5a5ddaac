import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Watchdog } from '../../src/actors/watchdog.js';
import { decodeCompletions } from '../../src/runtime/completion.js';
import { encodeMessage, idOf, SEPARATOR } from '../../src/runtime/message.js';
import { poll } from '../support/poll.js';
import { FakePlace } from './fake-place.js';

const HEAD = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

function open(
  t: TestContext,
  { starving = false, graceMs = 30 } = {},
): { place: FakePlace; took: string[]; done: string[]; dog: Watchdog } {
  const place = new FakePlace();
  const took: string[] = [];
  const done: string[] = [];
  const dog = new Watchdog({
    places: () => [place.place],
    starving: () => starving,
    collected: (_, bytes) => done.push(...decodeCompletions(bytes).map(({ id }) => id)),
    tookBack: (texts) => took.push(...texts.map((text) => idOf(text))),
    graceMs: () => graceMs,
  });
  t.after(() => dog.sleep());
  return { place, took, done, dog };
}

function post(place: FakePlace, lane: number, ids: string[], timeoutMs = 0): void {
  const texts = ids.map((id) => encodeMessage({ ...HEAD, id, timeoutMs }, '{"args":[],"at":1}'));
  place.post(place.lane(lane), { text: texts.join(SEPARATOR), count: ids.length });
}

describe('the watchdog', () => {
  it('collects results while their chunk still runs', async (t) => {
    const { place, done, dog } = open(t);
    post(place, 0, ['a', 'b']);
    dog.wake();
    place.claim('a');
    place.complete('a');
    place.claim('b');
    await poll('the result', () => done.length === 1);
    assert.deepEqual(done, ['a']);
  });

  it('takes back what waits behind one task for long, in every lane of the place', async (t) => {
    const { place, took, dog } = open(t);
    post(place, 0, ['a', 'b']);
    post(place, 1, ['c']);
    dog.wake();
    place.claim('a');
    await poll('what waits', () => took.length === 2);
    assert.deepEqual(took.sort(), ['b', 'c']);
    assert.equal(place.claim('c'), false);
  });

  it('takes it back sooner for a place that has nothing to do', async (t) => {
    const { place, took, dog } = open(t, { starving: true });
    post(place, 0, ['a', 'b']);
    const postedAt = performance.now();
    dog.wake();
    place.claim('a');
    await poll('what waits', () => took.length === 1);
    assert.ok(performance.now() - postedAt >= 5);
    assert.equal(place.lane().memory.takeBack(0), false, 'what runs stays');
  });

  it('leaves a place alone that goes from task to task', async (t) => {
    const { place, took, done, dog } = open(t, { starving: true });
    const ids = Array.from({ length: 200 }, (_, i) => `t${i}`);
    post(place, 0, ids);
    dog.wake();
    for (let slot = 0; slot < ids.length; slot++) {
      place.claim(`t${slot}`);
      place.complete(`t${slot}`);
      if (slot % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await poll('all results', () => done.length === ids.length);
    assert.deepEqual([took, place.aborted], [[], []]);
  });

  it('ends no thread when the stopped run is over, though another one runs', async (t) => {
    const { place, dog } = open(t);
    post(place, 0, ['a', 'b'], 20);
    dog.wake();
    place.claim('a');
    await poll('the signal', () => place.aborted.length === 1);
    place.lane().memory.reported(0);
    // The neighbour was taken back meanwhile, or is the one that runs now; it is not stopped for what another did.
    const started = place.claim('b');
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(place.killed, false);
    if (started) place.complete('b');
  });

  it('ends the thread of a run that does not stop, after the grace and not before', async (t) => {
    const { place, dog } = open(t, { graceMs: 40 });
    post(place, 0, ['a'], 20);
    dog.wake();
    place.claim('a');
    const startedAt = performance.now();
    await poll('the end', () => place.killed);
    assert.ok(performance.now() - startedAt >= 60);
    assert.deepEqual(place.aborted, [{ lane: 0, slot: 0, reason: 'timeout' }]);
    assert.equal(place.lane().stops.get(0), 'timeout');
  });

  it('never stops a task without a timeout, nor one that waits', async (t) => {
    const { place, took, dog } = open(t);
    post(place, 0, ['a']);
    post(place, 1, ['b'], 1);
    dog.wake();
    place.claim('a');
    await poll('what waits', () => took.length === 1);
    assert.deepEqual([place.aborted, place.killed], [[], false]);
  });

  it('sleeps when nothing runs', async (t) => {
    const { place, dog } = open(t);
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    post(place, 0, ['a']);
    dog.wake();
    assert.equal(timers(), before + 1);
    place.claim('a');
    place.complete('a');
    place.lane().unload();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(timers(), before);
  });
});
