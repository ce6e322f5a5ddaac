import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Heartbeat, type HeartbeatDuties } from '../../src/actors/heartbeat.js';
import { StorageUnavailable } from '../../src/runtime/errors.js';
import { encodeMessage } from '../../src/runtime/message.js';
import type { BeatReply } from '../../src/runtime/storage.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';

const LEASE_MS = 60;
const TAKE = { completions: [], transitions: [], chunks: 1, chunkSize: 10, solo: false };

class CountingStorage extends MemoryStorage {
  beats = 0;
  failing = false;
  onBeat: () => void = () => undefined;

  override async beat(consumer: string, leaseMs: number): Promise<BeatReply> {
    this.beats += 1;
    try {
      if (this.failing) throw new StorageUnavailable('away');
      return await super.beat(consumer, leaseMs);
    } finally {
      this.onBeat();
    }
  }

  /** Resolves at the beginning of the n-th beat from now. */
  nthBeat(n: number): Promise<void> {
    const target = this.beats + n;
    return new Promise((resolve) => {
      this.onBeat = () => {
        if (this.beats >= target) resolve();
      };
    });
  }
}

interface Heard {
  released: number[];
  reaped: number;
  others: string[][];
  troubles: string[];
  canceled: string[];
  times: number[];
}

async function open(t: TestContext, known: () => Set<string> = () => new Set()): Promise<{ storage: CountingStorage; heard: Heard }> {
  const storage = new CountingStorage('q');
  await storage.register('c', LEASE_MS);
  const heard: Heard = { released: [], reaped: 0, others: [], troubles: [], canceled: [], times: [] };
  const duties: HeartbeatDuties = {
    storage,
    consumer: 'c',
    leaseMs: LEASE_MS,
    heldIds: known,
    onTime: (now) => heard.times.push(now),
    onCanceled: (ids) => heard.canceled.push(...ids),
    onReloads: () => undefined,
    onLanding: () => undefined,
    onReapedOthers: ({ consumers }) => heard.others.push(consumers),
    onReleased: (count) => heard.released.push(count),
    onReaped: () => {
      heard.reaped += 1;
    },
    onTrouble: (error) => heard.troubles.push(error.message),
  };
  const heartbeat = new Heartbeat(duties);
  t.after(() => heartbeat.end());
  return { storage, heard };
}

async function enqueue(storage: MemoryStorage, ...ids: string[]): Promise<void> {
  const head = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
  await storage.enqueue(ids.map((id) => ({ text: encodeMessage({ id, ...head }, '{"args":[],"at":1}') })));
}

describe('the heartbeat', () => {
  it('keeps its consumer alive, and tells the time of the storage', async (t) => {
    const { storage, heard } = await open(t);
    await storage.nthBeat(8);
    assert.equal((await storage.counts()).consumers, 1);
    assert.ok(heard.times.length >= 7);
    assert.equal(heard.reaped, 0);
  });

  it('gives back what a lost reply has stranded, at its second look', async (t) => {
    const { storage, heard } = await open(t, () => new Set(['known']));
    await enqueue(storage, 'known', 'stranded');
    // Nobody gets this reply.
    await storage.step({ ...TAKE, consumer: 'c', lane: 1, seq: 1 });
    await storage.nthBeat(1);
    assert.deepEqual(heard.released, []);
    await storage.nthBeat(3);
    assert.deepEqual(heard.released, [1]);
    assert.deepEqual(await storage.heldIds('c'), ['known']);
    assert.equal((await storage.counts()).ready, 1);
  });

  it('leaves alone what becomes known between two looks', async (t) => {
    const known = new Set<string>();
    const { storage, heard } = await open(t, () => known);
    await enqueue(storage, 'a');
    await storage.step({ ...TAKE, consumer: 'c', lane: 1, seq: 1 });
    await storage.nthBeat(1);
    known.add('a');
    await storage.nthBeat(4);
    assert.deepEqual(heard.released, []);
    assert.deepEqual(await storage.heldIds('c'), ['a']);
  });

  it('tells what was canceled of that which is held, though the push was lost, until it has ended', async (t) => {
    const { storage, heard } = await open(t, () => new Set(['a', 'b']));
    await enqueue(storage, 'a', 'b');
    await storage.step({ ...TAKE, consumer: 'c', lane: 1, seq: 1 });
    await storage.nthBeat(2);
    assert.deepEqual(heard.canceled, []);
    await storage.cancel('a');
    await storage.nthBeat(3);
    assert.ok(heard.canceled.length >= 2);
    assert.deepEqual([...new Set(heard.canceled)], ['a']);
  });

  it('says once that its consumer was reaped, and stops', async (t) => {
    const { storage, heard } = await open(t);
    await storage.unregister('c');
    await storage.nthBeat(1);
    const { beats } = storage;
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
    assert.equal(storage.beats, beats);
    assert.equal(heard.reaped, 1);
  });

  it('goes on through an outage', async (t) => {
    const { storage, heard } = await open(t);
    storage.failing = true;
    await storage.nthBeat(2);
    storage.failing = false;
    await storage.register('c', LEASE_MS);
    await storage.nthBeat(2);
    assert.ok(heard.troubles.length >= 2);
    assert.equal((await storage.counts()).consumers, 1);
  });

  it('gives back what dead consumers held', async (t) => {
    const { storage, heard } = await open(t);
    await storage.register('dead', LEASE_MS);
    await enqueue(storage, 'a', 'b');
    await storage.step({ ...TAKE, consumer: 'dead', lane: 1, seq: 1 });
    while (heard.others.length === 0) await storage.nthBeat(1);
    assert.deepEqual(heard.others, [['dead']]);
    assert.equal((await storage.counts()).ready, 2);
  });
});
