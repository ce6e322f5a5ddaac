import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Hooks } from '../../src/api/hooks.js';
import { CancelExecution } from '../../src/runtime/errors.js';
import { SIGNALS, signalsOf, type SignalTask } from '../../src/runtime/signals.js';

const TASK: SignalTask = { id: 'a', name: 'count', args: [1], meta: {} };

let warnings: string[] = [];
const onWarning = (warning: Error & { code?: string }): void => {
  if (warning.code === 'HUEY_HOOK') warnings.push(warning.message);
};

beforeEach(() => {
  warnings = [];
  process.on('warning', onWarning);
});

afterEach(() => process.off('warning', onWarning));

describe('a handler of signals', () => {
  it('gets the signals that it names, with the task, and the error where there is one', () => {
    const hooks = new Hooks();
    const seen: unknown[][] = [];
    hooks.signal('error', 'retrying', (...args) => seen.push(args));
    const failure = new Error('no beans');
    void hooks.emit('error', TASK, failure);
    void hooks.emit('retrying', TASK);
    void hooks.emit('complete', TASK);
    assert.deepEqual(seen, [
      ['error', TASK, failure],
      ['retrying', TASK],
    ]);
  });

  it('gets every signal where it names none', () => {
    const hooks = new Hooks();
    const seen: string[] = [];
    hooks.signal((signal) => seen.push(signal));
    for (const signal of SIGNALS) void hooks.emit(signal, TASK);
    assert.deepEqual(seen, [...SIGNALS]);
    assert.deepEqual(hooks.wanted(), [...SIGNALS]);
  });

  it('is given back, so that it can be declared where it is registered', () => {
    const hooks = new Hooks();
    const handler = hooks.signal('error', function onError() {});
    assert.equal(handler.name, 'onError');
  });

  it('is called once, however often it is registered', () => {
    const hooks = new Hooks();
    let calls = 0;
    const handler = (): void => void calls++;
    hooks.signal('error', 'error', handler);
    hooks.signal(handler);
    void hooks.emit('error', TASK);
    assert.equal(calls, 1);
  });

  it('is disconnected from some signals, or from all', () => {
    const hooks = new Hooks();
    const handler = (): void => undefined;
    hooks.signal('error', 'retrying', handler);
    assert.equal(hooks.disconnectSignal(handler, 'error'), true);
    assert.deepEqual(hooks.wanted(), ['retrying']);
    assert.equal(hooks.disconnectSignal(handler), true);
    assert.deepEqual(hooks.wanted(), []);
    assert.equal(hooks.disconnectSignal(handler), false);
  });

  it('runs after those before it, also where they are asynchronous', async () => {
    const hooks = new Hooks();
    const order: string[] = [];
    hooks.signal('error', async () => {
      await setImmediate();
      order.push('first');
    });
    hooks.signal('error', () => order.push('second'));
    await hooks.emit('error', TASK);
    assert.deepEqual(order, ['first', 'second']);
  });

  it('costs no promise where nobody waits for anything', () => {
    const hooks = new Hooks();
    assert.equal(hooks.emit('error', TASK), undefined);
    hooks.signal('error', () => undefined);
    assert.equal(hooks.emit('error', TASK), undefined);
  });

  it('stops nobody where it is broken, and is told of once', async () => {
    const hooks = new Hooks();
    let calls = 0;
    hooks.signal('error', function broken() {
      throw new Error('handler');
    });
    hooks.signal('error', async function brokenToo() {
      return Promise.reject(new Error('rejected'));
    });
    hooks.signal('error', () => calls++);
    await hooks.emit('error', TASK);
    await hooks.emit('error', TASK);
    await setImmediate();
    assert.equal(calls, 2);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0] ?? '', /broken.*handler/);
    assert.match(warnings[1] ?? '', /brokenToo.*rejected/);
  });

  it('is refused where it is no function, or the signal is unknown', () => {
    const hooks = new Hooks();
    assert.throws(() => hooks.signal(...(['error'] as never)), { code: 'bad-hook' });
    assert.throws(() => hooks.signal('finished' as never, () => undefined), { code: 'bad-signal', message: /there are enqueued/ });
    assert.throws(() => hooks.signal('eror' as never, () => undefined), { message: /did you mean "error"/ });
    assert.throws(() => hooks.disconnectSignal(() => undefined, 'x' as never), { code: 'bad-signal' });
  });
});

describe('hooks around the function', () => {
  it('are looked for with one look', () => {
    const hooks = new Hooks();
    assert.equal(hooks.around, false);
    hooks.signal('complete', () => undefined);
    assert.equal(hooks.around, false);
    const executing = hooks.signal('executing', () => undefined);
    assert.equal(hooks.around, true);
    hooks.disconnectSignal(executing);
    assert.equal(hooks.around, false);
    hooks.preExecute(() => undefined, 'pre');
    assert.equal(hooks.around, true);
    hooks.unregisterPreExecute('pre');
    assert.equal(hooks.around, false);
    const post = hooks.postExecute(() => undefined);
    assert.equal(hooks.around, true);
    assert.equal(hooks.unregisterPostExecute(post), true);
    assert.equal(hooks.around, false);
  });

  it('run in order; CancelExecution passes through and ends them, other errors do not', async () => {
    const hooks = new Hooks();
    const order: string[] = [];
    hooks.preExecute(function first() {
      order.push('first');
      throw new Error('only told');
    });
    hooks.preExecute(async function second() {
      order.push('second');
      return Promise.reject(new CancelExecution());
    });
    hooks.preExecute(function third() {
      order.push('third');
    });
    await assert.rejects(async () => hooks.runPre(TASK), { code: 'canceled' });
    assert.deepEqual(order, ['first', 'second']);
    await setImmediate();
    assert.equal(warnings.length, 1);
  });

  it('get the value and the error behind the task', async () => {
    const hooks = new Hooks();
    const seen: unknown[][] = [];
    hooks.postExecute((...args) => seen.push(args));
    hooks.postExecute(() => {
      throw new CancelExecution();
    });
    const failure = new Error('no');
    const accounted = { ...TASK, accounts: { wall: 0.1, attempts: 1 } };
    await hooks.runPost(accounted, 5, undefined);
    await hooks.runPost(accounted, undefined, failure);
    assert.deepEqual(seen, [
      [accounted, 5, undefined],
      [accounted, undefined, failure],
    ]);
  });

  it('are unregistered by name or by themselves; a second of one name takes the place of the first', async () => {
    const hooks = new Hooks();
    const order: string[] = [];
    hooks.preExecute(() => order.push('a'), 'one');
    const anonymous = hooks.preExecute(
      (
        () => () =>
          order.push('b')
      )(),
    );
    hooks.preExecute(() => order.push('c'), 'one');
    await hooks.runPre(TASK);
    assert.deepEqual(order, ['c', 'b']);
    assert.equal(hooks.unregisterPreExecute('one'), true);
    assert.equal(hooks.unregisterPreExecute('one'), false);
    assert.equal(hooks.unregisterPreExecute(anonymous), true);
    assert.equal(hooks.around, false);
  });

  it('of threads run at their start and their end, broken ones too', async () => {
    const hooks = new Hooks();
    const order: string[] = [];
    hooks.onStartup(async () => Promise.reject(new Error('start')));
    hooks.onStartup(function connect() {
      order.push('up');
    });
    hooks.onShutdown(() => order.push('down'), 'disconnect');
    await hooks.runStartup();
    await hooks.runShutdown();
    assert.deepEqual(order, ['up', 'down']);
    assert.equal(hooks.unregisterOnStartup('connect'), true);
    assert.equal(hooks.unregisterOnShutdown('disconnect'), true);
    await hooks.runShutdown();
    assert.deepEqual(order, ['up', 'down']);
  });
});

describe('the signals of the end of a run', () => {
  const error = { name: 'Error', message: 'no', code: 'error' };
  const settle = { transition: { kind: 'settle', id: 'a', record: 'd', ttlSeconds: 1 } } as const;
  const requeue = { transition: { kind: 'requeue', id: 'a', text: '', delayMs: 0, at: 'tail' } } as const;

  it('tell how it ended, and whether it is tried again', () => {
    assert.deepEqual(signalsOf({ kind: 'complete', record: 'd', ttlSeconds: 1 }, settle), ['complete']);
    assert.deepEqual(signalsOf({ kind: 'error', error }, settle), ['error']);
    assert.deepEqual(signalsOf({ kind: 'error', error }, requeue), ['error', 'retrying']);
    assert.deepEqual(signalsOf({ kind: 'timeout', error }, requeue), ['timeout', 'retrying']);
    assert.deepEqual(signalsOf({ kind: 'cancel', retry: undefined, reason: '' }, requeue), ['canceled', 'retrying']);
    assert.deepEqual(signalsOf({ kind: 'cancel', retry: false, reason: '' }, settle), ['canceled']);
    // RetryTask is no error, and neither is a lock that is held.
    assert.deepEqual(signalsOf({ kind: 'retry', delayMs: 0 }, requeue), ['retrying']);
    assert.deepEqual(signalsOf({ kind: 'locked', error }, requeue), ['locked', 'retrying']);
    assert.deepEqual(signalsOf({ kind: 'locked', error }, settle), ['locked']);
    assert.deepEqual(signalsOf({ kind: 'rate-limited', error, resetMs: 1, retry: true }, requeue), ['rate-limited', 'retrying']);
    assert.deepEqual(signalsOf({ kind: 'interrupted' }, requeue), ['interrupted']);
    assert.deepEqual(signalsOf({ kind: 'revoked' }, settle), ['revoked']);
    assert.deepEqual(signalsOf({ kind: 'expired' }, settle), ['expired']);
    assert.deepEqual(signalsOf({ kind: 'not-started' }, requeue), []);
  });
});
