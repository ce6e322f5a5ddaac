import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { runInTask, type CurrentTask } from '../../src/api/context.js';
import { currentTask, MemoryHuey } from '../../src/api/index.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { enterWorker, type WorkerContext } from '../../src/runtime/worker-context.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function task(id: string): CurrentTask {
  const { signal } = new AbortController();
  const ignore = (): void => undefined;
  return {
    id,
    name: 'work',
    attempt: 1,
    retries: 0,
    signal,
    deadline: undefined,
    meta: {},
    checkTimeout: ignore,
    progress: ignore,
    log: ignore,
  };
}

describe('currentTask', () => {
  it('is the task that runs here, also behind an await', async () => {
    const seen = await Promise.all(
      ['a', 'b'].map((id) =>
        runInTask(task(id), async () => {
          await setImmediate();
          return currentTask().id;
        }),
      ),
    );
    assert.deepEqual(seen, ['a', 'b']);
  });

  it('is refused outside a task', () => {
    assert.throws(() => currentTask(), { code: 'no-task' });
  });
});

describe('a Huey in a worker thread', () => {
  const leave = (): void => enterWorker(undefined as never);
  afterEach(leave);

  it('works through the storage of the supervisor, and leaves it open', async () => {
    const queue = freshQueue();
    const context: WorkerContext = { storage: new MemoryStorage(queue), hueys: [] };
    enterWorker(context);
    const huey = new MemoryHuey(queue);
    assert.deepEqual(context.hueys, [huey]);
    await huey.task(function work() {})();
    assert.equal((await context.storage.counts()).ready, 1);
    assert.deepEqual(await new HandConsumer(queue).take(), []);
    await huey.close();
    assert.equal((await context.storage.counts()).ready, 1);
  });

  it('of another queue connects by itself', async () => {
    const queue = freshQueue();
    enterWorker({ storage: new MemoryStorage('main'), queue: 'main', hueys: [] });
    await new MemoryHuey(queue).task(function work() {})();
    assert.equal((await new HandConsumer(queue).take()).length, 1);
  });
});
