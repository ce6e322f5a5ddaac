import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StepCalls, type StepWork } from '../../src/actors/step-calls.js';
import { ConsumerReaped, MalformedMessage, StorageUnavailable } from '../../src/runtime/errors.js';
import { encodeCompletion } from '../../src/runtime/completion.js';
import { encodeMessage, idOf, SEPARATOR } from '../../src/runtime/message.js';
import type { StepCall, StepReply } from '../../src/runtime/storage.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';

const TAKE: StepWork = { completions: [], transitions: [], chunks: 1, chunkSize: 10, solo: false };
const ONLY_COMMIT: StepWork = { ...TAKE, chunks: 0 };

/** Loses what a test tells it to lose: the call on its way, or its reply. */
class LosingStorage extends MemoryStorage {
  readonly calls: { verb: 'step' | 'wait'; lane: number; seq: number }[] = [];
  /** Verdicts for the next calls; when there are none left, nothing is lost. */
  plan: ('pass' | 'lose call' | 'lose reply' | Error)[] = [];

  override step(call: StepCall): Promise<StepReply> {
    return this.#through('step', call, () => super.step(call));
  }

  override waitAndStep(call: StepCall, waitMs: number): Promise<StepReply> {
    return this.#through('wait', call, () => super.waitAndStep(call, waitMs));
  }

  async #through(verb: 'step' | 'wait', { lane, seq }: StepCall, send: () => Promise<StepReply>): Promise<StepReply> {
    this.calls.push({ verb, lane, seq });
    const verdict = this.plan.shift() ?? 'pass';
    if (verdict instanceof Error) throw verdict;
    if (verdict === 'lose call') throw new StorageUnavailable('lost on the way', { outcomeUnknown: true });
    const reply = await send();
    if (verdict === 'lose reply') throw new StorageUnavailable('the reply was lost', { outcomeUnknown: true });
    return reply;
  }
}

function text(id: string): string {
  const head = { id, name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
  return encodeMessage(head, '{"args":[],"at":1}');
}

async function open(): Promise<{ storage: LosingStorage; calls: StepCalls; troubles: string[] }> {
  const storage = new LosingStorage('q');
  await storage.register('c', 60_000);
  await storage.enqueue([{ text: text('one') }]);
  const troubles: string[] = [];
  return { storage, troubles, calls: new StepCalls(storage, 'c', (error) => troubles.push(error.message)) };
}

function idsOf(reply: StepReply): string[] {
  return reply.chunks.flatMap((chunk) => chunk.text.split(SEPARATOR)).map((one) => idOf(one));
}

describe('a call that commits and leases', () => {
  it('whose reply is lost is repeated under its number, and gets what it had leased', async () => {
    const { storage, calls, troubles } = await open();
    storage.plan = ['lose reply', 'lose reply'];
    assert.deepEqual(idsOf(await calls.step(TAKE)), ['one']);
    assert.equal(new Set(storage.calls.map(({ lane, seq }) => `${lane}:${seq}`)).size, 1);
    assert.equal(storage.calls.length, 3);
    assert.equal(troubles.length, 2);
  });

  it('that is lost on its way is repeated too', async () => {
    const { storage, calls } = await open();
    storage.plan = ['lose call'];
    assert.deepEqual(idsOf(await calls.step(TAKE)), ['one']);
  });

  it('commits once, however often its reply is lost', async () => {
    const { storage, calls } = await open();
    await calls.step(TAKE);
    storage.plan = ['lose reply', 'lose call', 'lose reply'];
    const done = encodeCompletion({ id: 'one', ttlSeconds: 60, record: 'd1' });
    const { committed, refused } = await calls.step({ ...ONLY_COMMIT, completions: [done] });
    assert.deepEqual([committed, refused], [1, 0]);
    assert.deepEqual(await storage.readResults(['one']), [{ state: 'done', payload: '1' }]);
  });

  it('that waited repeats without waiting, so that what it leased comes at once', async () => {
    const { storage, calls } = await open();
    storage.plan = ['lose reply'];
    assert.deepEqual(idsOf(await calls.wait(TAKE, 60_000)), ['one']);
    assert.deepEqual(
      storage.calls.map(({ verb }) => verb),
      ['wait', 'step'],
    );
  });

  it('has a lane of its own while it is under way, and there are four beside the wait', async () => {
    const { storage, calls } = await open();
    await calls.step(TAKE);
    const waiting = calls.wait(TAKE, 60_000);
    const steps = Array.from({ length: 4 }, () => calls.step(ONLY_COMMIT));
    assert.deepEqual([calls.free, calls.inFlight], [false, 4]);
    await assert.rejects(calls.step(ONLY_COMMIT), RangeError);
    await Promise.all(steps);
    assert.deepEqual([calls.free, calls.inFlight], [true, 0]);
    storage.interrupt();
    await waiting;
    const lanes = storage.calls.slice(1).map(({ lane }) => lane);
    assert.equal(new Set(lanes).size, 5);
  });

  it('numbers the calls of a lane without a gap', async () => {
    const { storage, calls } = await open();
    for (let i = 0; i < 5; i++) await calls.step(ONLY_COMMIT);
    assert.deepEqual(
      storage.calls.map(({ seq }) => seq),
      [1, 2, 3, 4, 5],
    );
  });

  it('ends where it makes no sense to repeat', async () => {
    for (const error of [new ConsumerReaped('c'), new MalformedMessage('what')]) {
      const { storage, calls } = await open();
      storage.plan = [error];
      await assert.rejects(calls.step(TAKE), error);
      assert.equal(storage.calls.length, 1);
      assert.equal(calls.free, true);
    }
  });

  it('rejects instead of being repeated once all is ended', async () => {
    const { storage, calls } = await open();
    storage.plan = Array.from({ length: 100 }, () => 'lose call' as const);
    const failing = assert.rejects(calls.step(TAKE));
    calls.end();
    await failing;
    assert.ok(storage.calls.length <= 2);
  });
});
