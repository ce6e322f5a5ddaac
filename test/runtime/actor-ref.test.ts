import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { ActorUnreachable, connectActor, exposeActor, type ActorMethods } from '../../src/runtime/actor-ref.js';
import {
  ConfigurationError,
  ConsumerReaped,
  HueyException,
  MalformedMessage,
  PayloadError,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
} from '../../src/runtime/errors.js';

interface Beans {
  add(a: number, b: number): number;
  slow(): Promise<string>;
  fail(kind: string): never;
  give(what: string): unknown;
}

const METHODS = ['add', 'slow', 'fail', 'give'] as const;

function channel(t: TestContext): MessageChannel {
  const ports = new MessageChannel();
  t.after(() => {
    ports.port1.close();
    ports.port2.close();
  });
  return ports;
}

function beans(t: TestContext, methods: ActorMethods, deadlineMs = 5000): ReturnType<typeof connectActor<Beans>> {
  const { port1, port2 } = channel(t);
  exposeActor(port1, methods);
  return connectActor<Beans>(port2, { name: 'beans', methods: METHODS, deadlineMs });
}

/** Sends what comlink itself would, and whatever else; gives the answer. */
async function sendRaw(port: MessagePort, message: object): Promise<{ value: { error?: { code: string }; value?: unknown } }> {
  const answer = once(port, 'message') as Promise<[{ value: { error?: { code: string }; value?: unknown } }]>;
  port.postMessage({ id: 'raw-1', ...message });
  return (await answer)[0];
}

describe('a call to an actor', () => {
  it('gives what the method gives, at once or later', async (t) => {
    const actor = beans(t, { add: (a: number, b: number) => a + b, slow: () => Promise.resolve('late') });
    assert.equal(await actor.add(1, 2), 3);
    assert.equal(await actor.slow(), 'late');
    assert.deepEqual(await Promise.all([actor.add(1, 1), actor.slow(), actor.add(2, 2)]), [2, 'late', 4]);
  });

  it('of a method that is not offered is refused', async (t) => {
    const actor = beans(t, { add: () => 1 });
    await assert.rejects(actor.slow(), { code: 'actor-refused' });
    assert.equal(await actor.add(1, 2), 1);
  });

  it('keeps the class and the code of errors', async (t) => {
    const errors: Record<string, Error> = {
      configuration: new ConfigurationError('wrong', 'bad-option'),
      unavailable: new StorageUnavailable('away', { outcomeUnknown: true }),
      refused: new StorageRefused('no'),
      full: new StorageFull('no room'),
      malformed: new MalformedMessage('what'),
      payload: new PayloadError('too large'),
      reaped: new ConsumerReaped('c1'),
      other: new HueyException('hm', 'special'),
      plain: new RangeError('out of range'),
    };
    const actor = beans(t, {
      fail: (kind: string) => {
        throw errors[kind] as Error;
      },
    });
    for (const [kind, error] of Object.entries(errors)) {
      const thrown = await actor.fail(kind).then(assert.fail, (caught: Error & { code?: string; outcomeUnknown?: boolean }) => caught);
      assert.equal(thrown.message, error.message);
      assert.equal(thrown.name, error.name);
      if (kind === 'plain') continue;
      assert.equal(thrown.constructor, error.constructor);
      assert.equal(thrown.code, (error as HueyException).code);
      if (kind === 'unavailable') assert.equal(thrown.outcomeUnknown, true);
    }
  });

  it('that throws what is no error still rejects with one', async (t) => {
    const things: Record<string, unknown> = { text: 'just text', null: null, cycle: {}, symbol: Symbol('s') };
    (things['cycle'] as { self?: unknown }).self = things['cycle'];
    const actor = beans(t, {
      fail: (kind: string) => {
        throw things[kind];
      },
    });
    for (const [kind, part] of [
      ['text', /just text/],
      ['null', /null/],
      ['cycle', /Object/],
      ['symbol', /Symbol\(s\)/],
    ] as const) {
      await assert.rejects(actor.fail(kind), (error) => error instanceof Error && part.test(error.message));
    }
  });

  it('whose result cannot cross threads rejects, and the next call works', async (t) => {
    const actor = beans(t, { give: () => () => 'a function', add: (a: number, b: number) => a + b }, 2000);
    await assert.rejects(actor.give('function'), /unserializable/i);
    assert.equal(await actor.add(2, 3), 5);
  });

  it('whose argument cannot cross threads rejects, and the next call works', async (t) => {
    const actor = beans(t, { give: (what: unknown) => what, add: (a: number, b: number) => a + b }, 2000);
    await assert.rejects(actor.give((() => 1) as never), (error: Error) => /clone/i.test(error.message));
    assert.equal(await actor.add(2, 3), 5);
  });

  it('has a deadline, and says that it may have been carried out', async (t) => {
    const actor = beans(t, { slow: () => new Promise<string>(() => undefined) }, 30);
    await assert.rejects(
      actor.slow(),
      (error) => error instanceof StorageUnavailable && error.outcomeUnknown && /beans did not answer slow/.test(error.message),
    );
  });

  it('fails when the port closes, and so does every later one', async (t) => {
    const { port1, port2 } = channel(t);
    exposeActor(port1, { slow: () => new Promise<string>(() => undefined) });
    const actor = connectActor<Beans>(port2, { name: 'beans', methods: METHODS, deadlineMs: 60_000 });
    const waiting = actor.slow();
    port1.close();
    await assert.rejects(waiting, (error) => error instanceof ActorUnreachable && error.code === 'actor-unreachable');
    await assert.rejects(actor.add(1, 2), ActorUnreachable);
  });

  it('fails when the thread at the other end dies', async (t) => {
    const { port1, port2 } = channel(t);
    const worker = new Worker('require("node:worker_threads").workerData.on("message", () => process.exit(1));', {
      eval: true,
      workerData: port1,
      transferList: [port1],
    });
    const actor = connectActor<Beans>(port2, { name: 'beans', methods: METHODS, deadlineMs: 60_000 });
    await assert.rejects(actor.add(1, 2), ActorUnreachable);
    await worker.terminate();
  });

  it('leaves no timer behind that would keep a process alive', async (t) => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const actor = beans(t, { add: (a: number, b: number) => a + b }, 60_000);
    await actor.add(1, 2);
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
  });
});

describe('an exposed actor', () => {
  const raw = (value: unknown): object => ({ type: 'RAW', value });
  const attempts: Record<string, object> = {
    'a constructor': { type: 'CONSTRUCT', path: ['add'], argumentList: [] },
    'a constructor behind a method': { type: 'APPLY', path: ['add', 'constructor'], argumentList: [raw('return process')] },
    'the constructor of the object': { type: 'APPLY', path: ['constructor'], argumentList: [raw('return process')] },
    'a prototype': { type: 'APPLY', path: ['__proto__', 'valueOf'], argumentList: [] },
    'what every object has': { type: 'APPLY', path: ['hasOwnProperty'], argumentList: [raw('add')] },
    'call and apply': { type: 'APPLY', path: ['add', 'call'], argumentList: [raw(null), raw(1), raw(2)] },
    'the object itself': { type: 'APPLY', path: [], argumentList: [] },
    'a reading of a method': { type: 'GET', path: ['add'] },
    'a reading of everything': { type: 'GET', path: [] },
    'a writing': { type: 'SET', path: ['add'], value: raw(1) },
    'a writing of a prototype': { type: 'SET', path: ['__proto__', 'polluted'], value: raw(true) },
    'another endpoint': { type: 'ENDPOINT', path: [] },
    'a release': { type: 'RELEASE', path: [] },
    'an argument with a handler': { type: 'APPLY', path: ['add'], argumentList: [{ type: 'HANDLER', name: 'proxy', value: 1 }, raw(2)] },
    'a path that is no list': { type: 'APPLY', path: 'add', argumentList: [] },
    'no arguments at all': { type: 'APPLY', path: ['add'] },
    'a kind that nobody knows': { type: 'EVAL', path: ['add'], argumentList: [] },
  };

  for (const [what, message] of Object.entries(attempts)) {
    it(`refuses ${what}`, async (t) => {
      const { port1, port2 } = channel(t);
      let calls = 0;
      exposeActor(port1, {
        add: (a: number, b: number) => {
          calls += 1;
          return a + b;
        },
      });
      const answer = await sendRaw(port2, message);
      assert.equal(answer.value.error?.code, 'actor-refused');
      assert.equal(calls, 0);
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      const after = await sendRaw(port2, { type: 'APPLY', path: ['add'], argumentList: [raw(1), raw(2)] });
      assert.equal(after.value.value, 3);
    });
  }

  it('survives what is no call', async (t) => {
    const { port1, port2 } = channel(t);
    exposeActor(port1, { add: (a: number, b: number) => a + b });
    for (const junk of [null, undefined, 1, 'text', [], {}, { id: 5, type: 'APPLY' }, { type: 'APPLY', path: ['add'] }])
      port2.postMessage(junk);
    const actor = connectActor<Beans>(port2, { name: 'beans', methods: METHODS, deadlineMs: 5000 });
    assert.equal(await actor.add(1, 2), 3);
  });
});
