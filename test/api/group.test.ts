import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chord, group, MemoryHuey, TaskException, TaskRevoked, type HueyOptions } from '../../src/api/index.js';
import { CHORD_MEMBERS_MAX } from '../../src/runtime/limits.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function declare(options: HueyOptions = { immediate: true }) {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue, options);
  const lists: unknown[][] = [];
  const add = huey.task(function add(a: number, b: number) {
    return a + b;
  });
  const sum = huey.task(function sum(list: number[]) {
    lists.push(list);
    return list.reduce((total, n) => total + n, 0);
  });
  const fail = huey.task(function fail(): number {
    throw new TypeError('no');
  });
  const seen: string[] = [];
  const onError = huey.task(function onError(error: Error) {
    seen.push(`${error}`);
  });
  return { queue, huey, add, sum, fail, onError, lists, seen };
}

const blocking = { blocking: true, timeout: 5 } as const;

describe('a group', () => {
  it('runs its members side by side, and gives their handles', async () => {
    const { huey, add } = declare();
    const results = await huey.enqueue(group([add.s(1, 2), add.s(3, 4).pipe(add, 10), add.s(5, 6)]));
    assert.deepEqual(await results.get(blocking), [3, 17, 11]);
    assert.equal(results.length, 3);
    assert.deepEqual(await (await huey.enqueue(group([]))).get(blocking), []);
  });

  it('may be large', async () => {
    const { huey, add } = declare({});
    const results = await huey.enqueue(group(Array.from({ length: 2500 }, (_, n) => add.s(n, 1))));
    assert.equal(new Set(results.map(({ id }) => id)).size, 2500);
    assert.equal(await huey.pendingCount(), 2500);
  });

  it('may have chords as members', async () => {
    const { huey, add, sum } = declare();
    const results = await huey.enqueue(group([add.s(1, 2), chord([add.s(1, 1), add.s(2, 2)], sum)]));
    assert.deepEqual(await results.get(blocking), [3, 6]);
  });

  it('gives a handler of errors to each member', async () => {
    const { huey, add, fail, onError, seen } = declare();
    const results = await huey.enqueue(group([fail.s(), add.s(1, 2), fail.s().pipe(add, 1)]).error(onError));
    assert.deepEqual(seen, ['TypeError: no', 'TypeError: no']);
    await assert.rejects(results.get(blocking), TaskException);
  });

  it('followed by a task is a chord', async () => {
    const { huey, add, sum } = declare();
    const made = await huey.enqueue(group([add.s(1, 2), add.s(3, 4)]).pipe(sum));
    assert.equal(await made.get(blocking), 10);
  });

  it('gives the handle of what is there where a member is unique and there already', async () => {
    const { huey, add } = declare({});
    const once = huey.task({ unique: {} }, function once(n: number) {
      return n;
    });
    const first = await once(1);
    const results = await huey.enqueue(group([add.s(1, 2), once.s(1), once.s(2)]));
    assert.equal(results[1].id, first.id);
    assert.notEqual(results[2].id, first.id);
    assert.equal(await huey.pendingCount(), 3);
  });
});

describe('a chord', () => {
  it('calls its callback once, with the values of its members in their order', async () => {
    const { huey, add, sum, lists } = declare();
    const made = await huey.enqueue(chord([add.s(1, 2), add.s(3, 4), add.s(5, 6).pipe(add, 100)], sum));
    assert.equal(await made.get(blocking), 121);
    assert.deepEqual(lists, [[3, 7, 111]]);
    assert.deepEqual(await made.results.get(), [3, 7, 111]);
    assert.equal(await made.callback.get(), 121);
    assert.equal(made.id, made.callback.id);
    assert.equal(await made.isReady(), true);
    assert.equal(made.results.length, 3);
  });

  it('without members calls it with an empty list', async () => {
    const { huey, sum, lists } = declare();
    assert.equal(await (await huey.enqueue(chord([], sum))).get(blocking), 0);
    assert.deepEqual(lists, [[]]);
  });

  it('goes on behind its callback, which may have arguments and options of its own', async () => {
    const { huey, add } = declare();
    const scaled = huey.task(function scaled(factor: number, list: number[], _options: { unit: string }) {
      return list.map((n) => n * factor);
    });
    const count = huey.task(function count(list: number[]) {
      return list.length;
    });
    const made = await huey.enqueue(
      chord([add.s(1, 2), add.s(3, 4)], scaled.withOptions({ priority: 3 }), 10, { unit: 'm' })
        .pipe(count)
        .pipe(add, 1),
    );
    assert.deepEqual(await made.pipelineResults.get(blocking), [[30, 70], 2, 3]);
    assert.deepEqual(await made.get(), [30, 70]);
  });

  it('collects the error of a member that failed for good, and nothing of one that was revoked', async () => {
    const { huey, add, fail, sum, lists } = declare();
    await add.revoke({ revokeOnce: true });
    const made = await huey.enqueue(chord([add.s(1, 2), fail.s(), fail.s().pipe(add, 1), add.s(3, 4)], sum));
    await made.callback.get(blocking);
    const [list = []] = lists;
    assert.deepEqual([list[0] ?? undefined, list[3]], [undefined, 7]);
    for (const error of [list[1], list[2]]) {
      assert.ok(error instanceof Error);
      assert.equal(`${error}`, 'TypeError: no');
    }
    await assert.rejects(made.results[0].get(blocking), TaskRevoked);
  });

  it('may be a member of a chord, which gets what follows its callback', async () => {
    const { huey, add, sum, lists } = declare();
    const inner = chord([add.s(1, 1), add.s(2, 2)], sum).pipe(add, 100);
    const made = await huey.enqueue(chord([inner, chord([], sum), add.s(5, 5), chord([chord([add.s(7, 7)], sum)], sum)], sum));
    assert.equal(await made.get(blocking), 106 + 0 + 10 + 14);
    assert.deepEqual(lists.at(-1), [106, 0, 10, 14]);
    assert.deepEqual(await made.results.get(), [106, 0, 10, 14]);
  });

  it('gives a handler to its callback', async () => {
    const { huey, add, fail, onError, seen } = declare();
    const broken = huey.task(function broken(_list: number[]) {
      throw new RangeError('bad list');
    });
    const made = await huey.enqueue(chord([add.s(1, 2), fail.s()], broken).error(onError));
    await assert.rejects(made.get(blocking), TaskException);
    assert.deepEqual(seen, ['RangeError: bad list']);
  });

  it('is stored as its members and one plan, in one call', async () => {
    const { queue, huey, add, sum } = declare({});
    const made = await huey.enqueue(chord([add.s(1, 2), add.s(3, 4).pipe(add, 1)], sum));
    const [first, second, ...more] = await new HandConsumer(queue).take();
    assert.deepEqual(more, []);
    assert.deepEqual(first?.body.chord, { id: made.id, index: 0 });
    assert.equal(second?.body.chord, undefined);
    assert.deepEqual(second?.body.next?.body.chord, { id: made.id, index: 1 });
    assert.deepEqual([first?.head.linked, second?.head.linked], [true, true]);
  });

  it('may have as many members as the limit says, and no more', async () => {
    const { huey, add, sum } = declare({});
    const members = Array.from({ length: CHORD_MEMBERS_MAX }, (_, n) => add.s(n, 1));
    const made = await huey.enqueue(chord(members, sum));
    assert.equal(made.results.length, CHORD_MEMBERS_MAX);
    assert.equal(await huey.pendingCount(), CHORD_MEMBERS_MAX);
    assert.throws(() => chord([...members, add.s(1, 1)], sum), { code: 'chord-too-large' });
    await assert.rejects(huey.enqueue(chord([chord(members, sum), add.s(1, 1)], sum)), { code: 'chord-too-large' });
  });

  it('refuses what can be no member or callback', async () => {
    const { huey, add, sum } = declare();
    const other = declare();
    const bad: unknown[] = [group([add.s(1, 2)]), add, 5, null];
    for (const member of bad) assert.throws(() => chord([member as never], sum), { code: 'bad-signature' });
    assert.throws(() => chord([add.s(1, 2)], 5 as never), { code: 'bad-signature' });
    assert.throws(() => chord(add.s(1, 2) as never, sum), { code: 'bad-signature' });
    assert.throws(() => group([add as never]), { code: 'bad-signature' });
    await assert.rejects(huey.enqueue(chord([other.add.s(1, 2)], sum)), /another Huey/);
    await assert.rejects(huey.enqueue(chord([add.s(1, 2)], other.sum)), /another Huey/);
    await assert.rejects(huey.enqueue(chord([add.s(1, 2)], sum.withOptions({ delay: 5 }))), /can have no delay/);
    await assert.rejects(huey.enqueue(5 as never), { code: 'bad-signature' });
  });
});
