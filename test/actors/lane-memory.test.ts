import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LaneMemory, Slot, type SlotState } from '../../src/actors/lane-memory.js';
import { CHUNK_MAX } from '../../src/runtime/limits.js';

type Move = 'claim' | 'takeBack' | 'stop' | 'publish';

/** From where each move may be made, and where it leads. */
const MOVES: Record<Move, { from: SlotState; to: SlotState }> = {
  claim: { from: Slot.OFFERED, to: Slot.RUNNING },
  takeBack: { from: Slot.OFFERED, to: Slot.TAKEN },
  stop: { from: Slot.RUNNING, to: Slot.STOPPING },
  publish: { from: Slot.RUNNING, to: Slot.COMMITTING },
};

/** Brings task 0 of a fresh lane into a state by the moves that lead there. */
const WAYS: Record<SlotState, (lane: LaneMemory) => void> = {
  [Slot.OFFERED]: () => undefined,
  [Slot.RUNNING]: (lane) => void lane.claim(0),
  [Slot.COMMITTING]: (lane) => void (lane.claim(0) && lane.publish(0)),
  [Slot.DONE]: (lane) => (lane.claim(0) && lane.publish(0) ? lane.done(0, 10) : undefined),
  [Slot.REPORTED]: (lane) => (lane.claim(0) ? lane.reported(0) : undefined),
  [Slot.TAKEN]: (lane) => void lane.takeBack(0),
  [Slot.STOPPING]: (lane) => void (lane.claim(0) && lane.stop(0)),
};
const STATES = Object.values(Slot);

function laneIn(state: SlotState): LaneMemory {
  const lane = new LaneMemory();
  lane.offer(2);
  WAYS[state](lane);
  assert.equal(lane.state(0), state);
  return lane;
}

describe('the memory of a lane', () => {
  for (const [move, { from, to }] of Object.entries(MOVES) as [Move, { from: SlotState; to: SlotState }][]) {
    it(`lets ${move} win from one state alone`, () => {
      for (const state of STATES) {
        const lane = laneIn(state);
        assert.equal(lane[move](0), state === from, `from ${state}`);
        assert.equal(lane.state(0), state === from ? to : state);
        assert.equal(lane.state(1), Slot.OFFERED, 'the neighbour');
      }
    });
  }

  it('says whether a run was stopped, and nothing of a task that is none', () => {
    for (const state of STATES) assert.equal(laneIn(state).stopping(0), state === Slot.STOPPING);
    assert.equal(laneIn(Slot.STOPPING).stopping(-1), false);
  });

  it('gives records up to what is done, as copies', () => {
    const lane = new LaneMemory();
    lane.offer(2);
    assert.equal(lane.used, 0);
    lane.arena.set([1, 2, 3]);
    lane.claim(0);
    lane.publish(0);
    assert.equal(lane.used, 0);
    lane.done(0, 3);
    assert.equal(lane.used, 3);
    const copy = lane.records(1, 3);
    lane.arena.fill(9);
    assert.deepEqual([...copy], [2, 3]);
    lane.offer(1);
    assert.equal(lane.used, 0);
  });

  it('has room for the largest chunk', () => {
    const lane = new LaneMemory();
    lane.offer(CHUNK_MAX);
    assert.equal(lane.claim(CHUNK_MAX - 1), true);
    assert.equal(lane.arena[0], 0);
  });

  it('is one for both sides', () => {
    const supervisor = new LaneMemory();
    const thread = new LaneMemory(supervisor.buffer);
    supervisor.offer(1);
    assert.equal(thread.claim(0), true);
    assert.equal(supervisor.takeBack(0), false);
    assert.equal(supervisor.stop(0), true);
    assert.equal(thread.publish(0), false);
  });

  it('gives each task to exactly one side when both reach for it at once', async () => {
    const lane = new LaneMemory();
    lane.offer(CHUNK_MAX);
    const start = new SharedArrayBuffer(4);
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ LaneMemory }) => {
        const lane = new LaneMemory(workerData.buffer);
        parentPort.postMessage('ready');
        Atomics.wait(new Int32Array(workerData.start), 0, 0);
        let won = 0;
        for (let slot = 0; slot < ${CHUNK_MAX}; slot++) if (lane.claim(slot)) won += 1;
        parentPort.postMessage(won);
      });`;
    const module = new URL('../../src/actors/lane-memory.js', import.meta.url).href;
    const worker = new Worker(code, { eval: true, workerData: { module, buffer: lane.buffer, start } });
    const claimed = new Promise<number>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message: 'ready' | number) => {
        if (message !== 'ready') return resolve(message);
        Atomics.store(new Int32Array(start), 0, 1);
        Atomics.notify(new Int32Array(start), 0);
        for (let slot = CHUNK_MAX - 1; slot >= 0; slot--) if (lane.takeBack(slot)) taken += 1;
      });
    });
    let taken = 0;
    assert.equal((await claimed) + taken, CHUNK_MAX);
    await worker.terminate();
  });
});
