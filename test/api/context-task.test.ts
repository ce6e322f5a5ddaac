import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentTask, MemoryHuey } from '../../src/api/index.js';
import { freshQueue } from './hand-consumer.js';

class Connection implements AsyncDisposable {
  readonly log: string[];

  constructor(log: string[]) {
    this.log = log;
    log.push('open');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.log.push('close');
  }
}

describe('contextTask', () => {
  it('opens something before each run and closes it behind it, also where the function throws', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const log: string[] = [];
    const work = huey.contextTask(
      () => new Connection(log),
      async function work(n: number) {
        log.push(`work ${n}`);
        if (n === 0) throw new Error('zero');
        return n;
      },
    );
    assert.equal(work.taskName, 'work');
    assert.equal(await (await work(1)).get(), 1);
    await assert.rejects((await work(0)).get(), { message: 'Error: zero' });
    assert.deepEqual(log, ['open', 'work 1', 'close', 'open', 'work 0', 'close']);
  });

  it('hands it to the function as its first argument where that is asked for', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const log: string[] = [];
    const work = huey.contextTask(
      async () => new Connection(log),
      { asArgument: true, retries: 1, name: 'named' },
      (connection, n: number) => {
        connection.log.push(`work ${n} ${currentTask().retries}`);
      },
    );
    assert.equal(work.taskName, 'named');
    await work(5);
    assert.deepEqual(log, ['open', 'work 5 1', 'close']);
  });

  it('takes an object with enter and exit, which is told of the error', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const log: unknown[] = [];
    const open = (): { enter(): Promise<string>; exit(error: unknown): void } => ({
      enter: async () => 'transaction',
      exit: (error) => log.push(error instanceof Error ? error.message : error),
    });
    const work = huey.contextTask(open, { asArgument: true }, function work(transaction: string, n: number) {
      if (n === 0) throw new Error('zero');
      return `${transaction} ${n}`;
    });
    assert.equal(await (await work(1)).get(), 'transaction 1');
    await assert.rejects((await work(0)).get());
    assert.deepEqual(log, [undefined, 'zero']);
  });

  it('fails the task where it cannot be opened', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const work = huey.contextTask(
      () => Promise.reject<Connection>(new Error('no connection')),
      function work() {
        assert.fail('it was not opened');
      },
    );
    await assert.rejects((await work()).get(), { message: 'Error: no connection' });
    const nothing = huey.contextTask(
      () => ({}) as never,
      function nothing() {},
    );
    await assert.rejects((await nothing()).get(), { message: /must be disposable/ });
  });

  it('is refused without a function to open, or with options that it does not know', () => {
    const huey = new MemoryHuey(freshQueue());
    assert.throws(() => huey.contextTask({} as never, function work() {}), { code: 'bad-context' });
    assert.throws(() => huey.contextTask(() => new Connection([]), undefined as never), { code: 'bad-task' });
    assert.throws(
      () =>
        huey.contextTask(
          () => new Connection([]),
          { asArg: true } as never,
          function work() {},
        ),
      { code: 'unknown-option' },
    );
    assert.throws(
      () =>
        huey.contextTask(
          () => new Connection([]),
          { asArgument: 1 } as never,
          function work() {},
        ),
      { code: 'bad-option' },
    );
  });
});
