import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pace } from '../../src/actors/chunk-sizer.js';
import { chunksToAsk, freeLanes, hasRoom } from '../../src/actors/free-lanes.js';
import { encodeMessage, SEPARATOR } from '../../src/runtime/message.js';
import { FakePlace } from './fake-place.js';

const HEAD = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

function post(place: FakePlace, count: number, claimed = count): void {
  const lane = place.lanes.find(({ busy }) => !busy);
  assert.ok(lane);
  const texts = Array.from({ length: count }, (_, i) => encodeMessage({ ...HEAD, id: `${lane.number}-${i}` }, '{"args":[],"at":1}'));
  place.post(lane, { text: texts.join(SEPARATOR), count });
  for (let slot = 0; slot < claimed; slot++) lane.memory.claim(slot);
}

/** The places of the lanes in their order, and the size of their chunks. */
function free(places: FakePlace[], pace: Omit<Pace, 'known'> & Partial<Pace>): { order: number[]; size: number } {
  const { lanes, size } = freeLanes(
    places.map(({ place }) => place),
    { known: false, ...pace },
    0,
  );
  return { order: lanes.map(({ place }) => places.findIndex((one) => one.place === place)), size };
}

describe('free lanes of places with one seat', () => {
  it('are one of each idle place, and those behind where tasks are quick', () => {
    const places = [new FakePlace(), new FakePlace(), new FakePlace()];
    post(places[1] ?? assert.fail(), 3);
    assert.deepEqual(free(places, { size: 16, ahead: 0 }), { order: [0, 2], size: 16 });
    assert.deepEqual(free(places, { size: 16, ahead: 1 }), { order: [0, 2, 0, 1, 2], size: 16 });
  });

  it('are as many of a place as may wait behind what runs', () => {
    const places = [new FakePlace(1, 4), new FakePlace(1, 4)];
    post(places[1] ?? assert.fail(), 3);
    assert.deepEqual(free(places, { size: 16, ahead: 2 }).order, [0, 0, 0, 1, 1]);
    post(places[1] ?? assert.fail(), 3);
    assert.deepEqual(free(places, { size: 16, ahead: 2 }).order, [0, 0, 0, 1]);
    assert.deepEqual(free(places, { size: 16, ahead: 9 }).order, [0, 0, 0, 0, 1, 1]);
  });
});

describe('free lanes of places with several seats', () => {
  it('fill every seat, the emptiest place first', () => {
    const places = [new FakePlace(4), new FakePlace(4)];
    post(places[0] ?? assert.fail(), 1);
    post(places[0] ?? assert.fail(), 1);
    assert.deepEqual(free(places, { size: 1, ahead: 0 }), { order: [1, 1, 0, 1, 0, 1], size: 1 });
  });

  it('offer no more than there are seats where tasks are slow, and one chunk behind where they are quick', () => {
    const places = [new FakePlace(10)];
    post(places[0] ?? assert.fail(), 7);
    assert.deepEqual(free(places, { size: 16, ahead: 0 }), { order: [0], size: 3 });
    assert.deepEqual(free(places, { size: 16, ahead: 1 }), { order: [0, 0], size: 16 });
  });

  it('offer as much again as there are seats where tasks are known to be quick', () => {
    const places = [new FakePlace(3, 6)];
    assert.equal(free(places, { size: 1, ahead: 1, known: false }).order.length, 4);
    assert.equal(free(places, { size: 1, ahead: 1, known: true }).order.length, 6);
    assert.equal(free(places, { size: 1, ahead: 0, known: true }).order.length, 3);
    post(places[0] ?? assert.fail(), 2);
    assert.equal(free(places, { size: 1, ahead: 1, known: true }).order.length, 4);
  });

  it('count as taken what waits there, and as free what has ended before its chunk', () => {
    const one = new FakePlace(3);
    post(one, 3, 1);
    assert.equal(hasRoom(one.place), false);
    one.complete('0-0');
    assert.equal(hasRoom(one.place), true);
    assert.deepEqual(free([one], { size: 1, ahead: 0 }), { order: [0], size: 1 });
  });

  it('leave a place alone that is blocked, or has a suspect', () => {
    const places = [new FakePlace(3), new FakePlace(3)];
    Object.assign(places[0] ?? {}, { blocked: true });
    Object.assign(places[1] ?? {}, { alone: true });
    assert.deepEqual(free(places, { size: 1, ahead: 1 }).order, []);
    assert.deepEqual(
      places.map(({ place }) => hasRoom(place)),
      [false, false],
    );
  });

  it('are asked for but once: calls under way count by the tasks that they may bring', () => {
    const lanes = freeLanes([new FakePlace(8).place], { size: 2, ahead: 0, known: false }, 0);
    assert.equal(chunksToAsk(lanes, []), 4);
    assert.equal(chunksToAsk(lanes, [{ chunks: 1, chunkSize: 5 }]), 1);
    assert.equal(chunksToAsk(lanes, [{ chunks: 2, chunkSize: 8 }]), 0);
  });
});
