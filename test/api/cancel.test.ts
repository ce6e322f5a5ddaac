import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { chord, currentTask, MemoryHuey, TaskCanceled } from '../../src/api/index.js';
import { CANCEL_REASON, cancelInvocation } from '../../src/runtime/canceling.js';
import { encodeMessage, type Head } from '../../src/runtime/message.js';
import { PLAIN_CODEC } from '../../src/runtime/payload-codec.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { poll } from '../support/poll.js';

const WAIT = { blocking: true, timeout: 20 } as const;
const CONTEXT = { codec: PLAIN_CODEC, resultTtlMs: 60_000 };
const HEAD: Omit<Head, 'id'> = { name: 'a', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

function text(id: string, head: Partial<Head> = {}): string {
  return encodeMessage({ ...HEAD, id, ...head }, '{"args":[],"at":1}');
}

let queues = 0;
let huey: MemoryHuey;

beforeEach(() => {
  huey = new MemoryHuey(`cancel${queues++}`);
});

afterEach(() => huey.close());

describe('canceling what waits', () => {
  it('tells who waits why, and the handlers of this process', async () => {
    const told: unknown[] = [];
    const add = huey.task(function add(a: number, b: number) {
      return a + b;
    });
    huey.signal('canceled', (signal, { id, name, args }) => told.push([signal, id, name, args]));
    const result = await add(1, 2);
    assert.equal(await result.cancel(), true);
    assert.deepEqual(told, [['canceled', result.id, 'add', [1, 2]]]);
    await assert.rejects(result.get(WAIT), (error) => error instanceof TaskCanceled && error.message.includes(CANCEL_REASON));
    assert.equal(await result.isReady(), true);
    assert.equal(await result.cancel(), false);
    assert.equal(told.length, 1);
  });

  it('refuses what is no id', async () => {
    await assert.rejects(huey.cancel('no id'), /id/);
  });
});

describe('canceling in immediate mode', () => {
  beforeEach(() => {
    huey.immediate = true;
  });

  it('stops what runs: its signal fires, and what it returns counts for nothing', async () => {
    const reasons: unknown[] = [];
    const hear = huey.task({ retries: 2 }, async function hear() {
      const { signal } = currentTask();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reasons.push(signal.reason);
      assert.throws(currentTask().checkTimeout, TaskCanceled);
      return 'too late';
    });
    const call = hear.withOptions({ id: 'one' })();
    await poll('its start', async () => (await huey.runningCount()) === 1);
    assert.equal(await huey.cancel('one'), true);
    await assert.rejects((await call).get(WAIT), TaskCanceled);
    assert.equal(reasons.length, 1);
    assert.ok(reasons[0] instanceof TaskCanceled);
  });

  it('gives up what does not listen, after its grace', async () => {
    const deaf = huey.task({ grace: 0.05 }, function deaf() {
      return new Promise(() => undefined);
    });
    const call = deaf.withOptions({ id: 'one' })();
    await poll('its start', async () => (await huey.runningCount()) === 1);
    assert.equal(await huey.cancel('one'), true);
    await assert.rejects((await call).get(WAIT), TaskCanceled);
  });

  it('ends what is scheduled, and runs what that makes ready', async () => {
    const add = huey.task(function add(a: number, b: number) {
      return a + b;
    });
    const list = huey.task(function list(all: unknown) {
      return all;
    });
    const { results, callback } = await huey.enqueue(chord([add.s(1, 2), add.withOptions({ delay: 3600 }).s(3, 4)], list));
    assert.equal(await results[1].cancel(), true);
    assert.deepEqual(await callback.get(WAIT), [3, null]);
  });
});

describe('the walk to what is canceled', () => {
  it('goes on until it has found what moves meanwhile, or knows that it runs', async () => {
    const storage = new MemoryStorage('q');
    await storage.register('c', 60_000);
    await storage.enqueue([{ text: text('a') }]);
    const find = storage.findWaiting.bind(storage);
    storage.findWaiting = async (id) => {
      const found = await find(id);
      // Between the search and the end somebody takes it: who leases it finds the mark.
      await storage.step({ consumer: 'c', lane: 0, seq: 1, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false });
      return found;
    };
    assert.deepEqual(await cancelInvocation(storage, 'a', CONTEXT), { canceled: true });
    assert.deepEqual((await storage.beat('c', 60_000)).canceled, ['a']);
  });

  it('leaves to a consumer what cannot be read here', async () => {
    const storage = new MemoryStorage('q');
    await storage.enqueue([{ text: text('a') }]);
    const codec = Object.assign(Object.create(PLAIN_CODEC) as typeof PLAIN_CODEC, {
      decodeMessage: () => {
        throw new Error('signed by somebody else');
      },
    });
    assert.deepEqual(await cancelInvocation(storage, 'a', { ...CONTEXT, codec }), { canceled: true });
    await storage.register('c', 60_000);
    const { dropped } = await storage.step({
      ...{ consumer: 'c', lane: 0, seq: 1, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false },
    });
    assert.deepEqual(
      dropped.map(({ id, state }) => [id, state]),
      [['a', 'canceled']],
    );
  });
});
