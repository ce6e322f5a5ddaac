import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Outbox, type OutboxItem } from '../../src/api/outbox.js';
import { EnqueueFailed, StorageFull, StorageRefused, StorageUnavailable } from '../../src/runtime/errors.js';
import { BATCH_MAX } from '../../src/runtime/limits.js';
import type { EnqueueItem } from '../../src/runtime/storage.js';

/** A storage whose answers the test gives. */
class Counter {
  readonly batches: string[][] = [];
  readonly #answers: ((error?: Error) => void)[] = [];

  readonly enqueue = (items: EnqueueItem[]): Promise<undefined> => {
    this.batches.push(items.map(({ text }) => text));
    return new Promise((resolve, reject) => {
      this.#answers.push((error) => (error === undefined ? resolve(undefined) : reject(error)));
    });
  };

  /** Answers the oldest call, once it is there. */
  async answer(error?: Error): Promise<void> {
    while (this.#answers.length === 0) await setImmediate();
    this.#answers.shift()?.(error);
    await setImmediate();
  }
}

const LONG_MS = 60_000;

function setUp(waitMs = LONG_MS, waitingMax?: number) {
  const counter = new Counter();
  const outbox = new Outbox(counter.enqueue, { waitMs, ...(waitingMax === undefined ? {} : { waitingMax }) });
  return { counter, outbox };
}

function item(n: number | string): OutboxItem {
  return { id: `id-${n}`, text: `${n}` };
}

function items(count: number): OutboxItem[] {
  return Array.from({ length: count }, (_, n) => item(n));
}

describe('the outbox', () => {
  it('sends the first call at once and alone, the ones that arrive meanwhile together', async () => {
    const { counter, outbox } = setUp();
    const sent = [outbox.send(item(1))];
    assert.deepEqual(counter.batches, [['1']]);
    sent.push(outbox.send(item(2)), outbox.send(item(3)));
    await counter.answer();
    assert.deepEqual(counter.batches, [['1'], ['2', '3']]);
    sent.push(outbox.send(item(4)));
    await counter.answer();
    await counter.answer();
    assert.deepEqual(counter.batches, [['1'], ['2', '3'], ['4']]);
    await Promise.all(sent);
    await outbox.idle();
  });

  it('settles each call by what became of its own', async () => {
    const { counter, outbox } = setUp();
    const first = outbox.send(item(1));
    const second = assert.rejects(outbox.send(item(2)), EnqueueFailed);
    await counter.answer();
    await first;
    await counter.answer(new StorageRefused('no'));
    await second;
  });

  it('never puts more than BATCH_MAX into one call, and keeps the order', async () => {
    const { counter, outbox } = setUp();
    const sent = outbox.sendMany(items(2 * BATCH_MAX + 10));
    for (let n = 0; n < 3; n++) await counter.answer();
    await sent;
    assert.deepEqual(
      counter.batches.map((batch) => batch.length),
      [BATCH_MAX, BATCH_MAX, 10],
    );
    assert.deepEqual(
      counter.batches.flat(),
      items(2 * BATCH_MAX + 10).map(({ text }) => text),
    );
  });

  it('repeats a batch, with the same ids, while the storage is away', async () => {
    const { counter, outbox } = setUp();
    const sent = outbox.sendMany([item(1), item(2)]);
    await counter.answer(new StorageUnavailable('away', { outcomeUnknown: true }));
    await counter.answer(new StorageUnavailable('away'));
    await counter.answer();
    await sent;
    assert.deepEqual(counter.batches, [
      ['1', '2'],
      ['1', '2'],
      ['1', '2'],
    ]);
  });

  it('gives up in the end, and says whether the tasks may be stored', async () => {
    for (const outcomeUnknown of [true, false]) {
      const outbox = new Outbox(() => Promise.reject(new StorageUnavailable('away', { outcomeUnknown })), { waitMs: 30 });
      await assert.rejects(outbox.sendMany([item(1), item(2)]), (error) => {
        assert.ok(error instanceof EnqueueFailed);
        assert.deepEqual(
          [error.ids, error.outcomeUnknown, error.code],
          [['id-1', 'id-2'], outcomeUnknown, outcomeUnknown ? 'enqueue-unknown' : 'enqueue-failed'],
        );
        assert.ok(error.cause instanceof StorageUnavailable);
        return true;
      });
    }
  });

  it('gives up where the storage never answers: what was sent may be stored, what was not is not', async () => {
    const { counter, outbox } = setUp(5);
    const [sent, unsent] = [outbox.send(item(1)), outbox.send(item(2))];
    await Promise.all([
      assert.rejects(sent, (error) => error instanceof EnqueueFailed && error.outcomeUnknown && error.id === 'id-1'),
      assert.rejects(unsent, (error) => error instanceof EnqueueFailed && !error.outcomeUnknown && error.id === 'id-2'),
    ]);
    assert.deepEqual(counter.batches, [['1']]);
    await counter.answer();
    await outbox.idle();
  });

  it('says what is wrong with the connection, where that is known', async () => {
    const outbox = new Outbox(() => new Promise(() => undefined), { waitMs: 5, outage: () => new Error('connection refused') });
    await assert.rejects(outbox.send(item(1)), /did not answer within 0.005 s: connection refused/);
  });

  it('tells at once that the storage is full: nothing was stored', async () => {
    const { counter, outbox } = setUp();
    const failed = assert.rejects(
      outbox.send(item(1)),
      (error) => error instanceof EnqueueFailed && !error.outcomeUnknown && error.cause instanceof StorageFull,
    );
    await counter.answer(new StorageFull('full'));
    await failed;
  });

  it('does not forget that an earlier try may have been carried out', async () => {
    const { counter, outbox } = setUp();
    const failed = assert.rejects(outbox.send(item(1)), (error) => error instanceof EnqueueFailed && error.outcomeUnknown);
    await counter.answer(new StorageUnavailable('lost', { outcomeUnknown: true }));
    await counter.answer(new StorageFull('full'));
    await failed;
  });

  it('lets nobody run out of time while the storage takes batch after batch', async () => {
    let now = 0;
    const sizes: number[] = [];
    const outbox = new Outbox(
      async (batch) => {
        sizes.push(batch.length);
        now += 900;
        await setImmediate();
      },
      { waitMs: 1000, now: () => now },
    );
    await outbox.sendMany(items(20 * BATCH_MAX));
    assert.equal(sizes.length, 20);
  });

  it('names what failed of a long list', async () => {
    const { counter, outbox } = setUp();
    const sent = outbox.sendMany(items(3 * BATCH_MAX));
    await Promise.all([
      assert.rejects(
        sent,
        (error) => error instanceof EnqueueFailed && error.ids.length === 2 * BATCH_MAX && error.ids[0] === `id-${BATCH_MAX}`,
      ),
      counter.answer().then(async () => {
        await counter.answer(new StorageFull('full'));
        await counter.answer(new StorageFull('full'));
      }),
    ]);
  });

  it('refuses more calls than can wait', async () => {
    const { counter, outbox } = setUp(LONG_MS, 1);
    const sent = [outbox.send(item(1)), outbox.send(item(2))];
    await assert.rejects(outbox.send(item(3)), (error) => error instanceof EnqueueFailed && !error.outcomeUnknown);
    await counter.answer();
    await counter.answer();
    await Promise.all(sent);
  });
});

describe('what another invocation kept out', () => {
  it('is told to each caller at its own positions, through batches and long lists', async () => {
    const outbox = new Outbox(
      async (items) => ({ conflicts: items.flatMap(({ text }, index) => (text.endsWith('7') ? [{ index, id: `has-${text}` }] : [])) }),
      { waitMs: LONG_MS },
    );
    const sent = [outbox.send(item(1)), outbox.send(item(7)), outbox.sendMany([item(2), item(17)]), outbox.sendMany([])];
    assert.deepEqual(await Promise.all(sent), [[], [{ index: 0, id: 'has-7' }], [{ index: 1, id: 'has-17' }], []]);
    const many = await outbox.sendMany(items(BATCH_MAX + 10));
    assert.deepEqual(many.at(-1), { index: BATCH_MAX + 7, id: `has-${BATCH_MAX + 7}` });
  });
});

describe('what belongs together', () => {
  it('goes in one call with its chords, however large, and stays whole', async () => {
    const calls: [number, number][] = [];
    const outbox = new Outbox(
      async (all, chords) => {
        calls.push([all.length, chords.length]);
        return undefined;
      },
      { waitMs: LONG_MS },
    );
    const chord = { id: 'c', size: 1, callback: '' };
    await Promise.all([
      outbox.send(item(1)),
      outbox.sendTogether(items(BATCH_MAX * 3), [chord]),
      outbox.send(item(2)),
      outbox.send(item(3)),
    ]);
    assert.deepEqual(calls, [
      [1, 0],
      [BATCH_MAX * 3, 1],
      [2, 0],
    ]);
  });
});
