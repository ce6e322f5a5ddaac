/** Garbage over the port through which the code of tasks reaches the supervisor's storage. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { StorageDoor } from '../../src/actors/storage-door.js';
import { PortStorage } from '../../src/actors/storage-port.js';
import { encodeMessage, idOf } from '../../src/runtime/message.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { randomSeed } from '../support/seed.js';

const HEAD = { id: 'a', name: 'work', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
const GOOD = encodeMessage(HEAD, '{"args":[],"at":1}');
/** What changes the queue where it is asked well; `flush` and its like do what they say with any arguments. */
const VERBS = [
  'enqueue',
  'revoke',
  'acquireLock',
  'rateLimit',
  'putKey',
  'removeResults',
  'freeUnique',
  'setNote',
  'watch',
  'unwatch',
  'retryDead',
];

interface World {
  storage: MemoryStorage;
  port: MessagePort;
  thread: PortStorage;
}

function open(t: TestContext): World {
  const storage = new MemoryStorage('q');
  const { port1, port2 } = new MessageChannel();
  new StorageDoor(storage, () => 'mine').open(port1);
  const thread = new PortStorage(port2);
  t.after(async () => {
    port2.close();
    await storage.close();
  });
  return { storage, port: port2, thread };
}

let calls = 0;

/** A call as comlink would write it; undefined where it is not answered, because it is no call. */
function call(port: MessagePort, verb: string, args: readonly unknown[]): Promise<{ value?: unknown; error?: unknown }> {
  const id = `fuzz-${calls++}`;
  return new Promise((resolve) => {
    const hear = (data: { id?: unknown; value?: { value?: unknown; error?: unknown } }): void => {
      if (data.id !== id) return;
      port.off('message', hear);
      resolve(data.value ?? {});
    };
    port.on('message', hear);
    port.postMessage({ id, type: 'APPLY', path: [verb], argumentList: args.map((value) => ({ type: 'RAW', value })) });
  });
}

/** What is there can be leased, and every text is a message. */
async function isSound({ storage, thread }: World): Promise<void> {
  for (const place of ['ready', 'scheduled'] as const) {
    for (const { text } of await storage.list(place, 1000)) assert.ok(typeof text === 'string' && idOf(text) !== '', JSON.stringify(text));
  }
  const id = `good-${calls++}`;
  await thread.enqueue([{ text: encodeMessage({ ...HEAD, id, priority: 9 }, '{"args":[],"at":1}') }]);
  assert.ok((await storage.list('ready', 1000)).some(({ text }) => idOf(text) === id));
  await storage.register('c', 60_000);
  const step = { consumer: 'c', lane: 1, seq: ++calls, completions: [], transitions: [], chunks: 1, chunkSize: 1000, solo: true };
  assert.ok((await storage.step(step)).chunks.length > 0, 'and leased');
  await storage.unregister('c');
  await storage.flush();
}

describe('a supervisor whose port is given garbage', () => {
  it('answers each call, and its storage is as sound as before', async (t) => {
    const junk = fc.oneof(
      fc.anything({ maxDepth: 2 }),
      fc.constantFrom<unknown>(GOOD, [GOOD], { text: GOOD }, { text: [GOOD] }, [{ text: [GOOD] }]),
    );
    const plain = junk.filter((value) => {
      try {
        structuredClone(value);
        return true;
      } catch {
        return false;
      }
    });
    const world = open(t);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...VERBS), fc.array(plain, { maxLength: 4 }), async (verb, args) => {
        const reply = await call(world.port, verb, args);
        assert.ok('value' in reply || 'error' in reply, verb);
        await isSound(world);
      }),
      { seed: randomSeed(t), numRuns: 1000 },
    );
  });

  it('takes no message that is no text, nor what would be one as a text', async (t) => {
    const world = open(t);
    for (const text of [[GOOD], { 0: GOOD }, 5, null, undefined, new Uint8Array([1])]) {
      const { error } = await call(world.port, 'enqueue', [[{ text }]]);
      assert.ok(error !== undefined, JSON.stringify(text));
    }
    assert.equal((await world.storage.counts()).ready, 0);
  });

  it('goes on after whatever else comes over it', async (t) => {
    const world = open(t);
    const message = fc.record(
      {
        id: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
        type: fc.constantFrom('APPLY', 'GET', 'SET', 'CONSTRUCT', 'ENDPOINT', 'RELEASE', 'NONE', 5),
        path: fc.oneof(fc.array(fc.constantFrom('enqueue', '__proto__', 'constructor', 'counts', '')), fc.string(), fc.constant(null)),
        argumentList: fc.oneof(fc.array(fc.jsonValue()), fc.constant(null), fc.jsonValue()),
        value: fc.jsonValue(),
        ended: fc.constant(undefined),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(message, fc.jsonValue()), { maxLength: 10 }), async (messages) => {
        for (const one of messages) world.port.postMessage(one);
        assert.equal((await world.thread.counts()).running, 0);
      }),
      { seed: randomSeed(t), numRuns: 300 },
    );
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});
