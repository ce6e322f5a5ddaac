import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PayloadError } from '../../src/runtime/errors.js';
import { MESSAGE_MAX_BYTES } from '../../src/runtime/limits.js';
import { handlerItem, laterStages, nextItem } from '../../src/runtime/links.js';
import { decodeMessage, encodeHead, type Body, type Head, type Stage } from '../../src/runtime/message.js';
import { decode, encode } from '../../src/runtime/serializer.js';
import { tuple } from '../../src/runtime/tuple.js';
import { randomSeed } from '../support/seed.js';

const HEAD: Head = { id: 's', name: 'stage', attempts: 0, retries: 2, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

function stage(args: unknown[], more: Partial<Body> = {}, id = 's'): Stage {
  return { head: encodeHead({ ...HEAD, id }), body: { args: JSON.parse(encode(args)) as unknown[], at: 1, ...more } };
}

/** The arguments that the stage will be called with. */
function argsAfter(own: unknown[], value: unknown): unknown[] {
  const before = stage(own);
  const copy = structuredClone(before);
  const args = decode(decodeMessage(nextItem(before, value).text).body.args);
  assert.deepEqual(before, copy);
  return args as unknown[];
}

describe('the next stage', () => {
  it('gets what its parent returned behind its own arguments', () => {
    assert.deepEqual(argsAfter([3], 6), [3, 6]);
    assert.deepEqual(argsAfter([], 'x'), ['x']);
    assert.deepEqual(argsAfter([], false), [false]);
  });

  it('gets nothing for undefined, null and an empty tuple', () => {
    for (const nothing of [undefined, null, tuple()]) assert.deepEqual(argsAfter([3, { a: 1 }], nothing), [3, { a: 1 }]);
  });

  it('gets the elements of a tuple, each as one argument', () => {
    assert.deepEqual(argsAfter([1], tuple(2, [3], { a: 4 })), [1, 2, [3], { a: 4 }]);
    assert.deepEqual(argsAfter([], tuple(undefined, 2)), [undefined, 2]);
  });

  it('gets a plain object merged into its trailing plain object, its own keys winning', () => {
    assert.deepEqual(argsAfter([1, { a: 1, b: 1 }], { b: 2, c: 2 }), [1, { a: 1, b: 1, c: 2 }]);
    assert.deepEqual(argsAfter([{}], { b: new Date(5) }), [{ b: new Date(5) }]);
  });

  it('gets a plain object as one argument where it has no trailing one', () => {
    assert.deepEqual(argsAfter([1], { a: 1 }), [1, { a: 1 }]);
    assert.deepEqual(argsAfter([{ a: 1 }, 1], { b: 1 }), [{ a: 1 }, 1, { b: 1 }]);
  });

  it('gets everything else as one argument before its trailing plain object', () => {
    assert.deepEqual(argsAfter([4, { c: 5 }], 6), [4, 6, { c: 5 }]);
    const values = [[1, 2], new Date(1), new Map([[1, 2]]), new Set([1]), Buffer.from('x'), 5n, NaN];
    for (const value of values) assert.deepEqual(argsAfter([4, { c: 5 }], value), [4, value, { c: 5 }]);
    assert.deepEqual(argsAfter([{ c: 5 }], tuple(1, 2)), [1, 2, { c: 5 }]);
  });

  it('takes no date or map of its own for a trailing plain object', () => {
    assert.deepEqual(argsAfter([new Date(1)], { a: 1 }), [new Date(1), { a: 1 }]);
    assert.deepEqual(argsAfter([new Map([['a', 1]])], { a: 1 }), [new Map([['a', 1]]), { a: 1 }]);
  });

  it('takes objects that look like tags, and __proto__, as the data they are', () => {
    assert.deepEqual(argsAfter([{ $huey: ['date', 1] }], { a: 1 }), [{ $huey: ['date', 1], a: 1 }]);
    const parsed = JSON.parse('{"__proto__":{"x":1}}') as Record<string, unknown>;
    const [merged] = argsAfter([parsed], { a: 1 }) as [Record<string, unknown>];
    assert.deepEqual(Object.keys(merged).sort(), ['__proto__', 'a']);
    assert.equal(merged['x'], undefined);
  });

  it('keeps its head and the rest of its body', () => {
    const made = decodeMessage(nextItem(stage([1], { retries: 2, meta: { a: 1 }, next: stage([2]) }), 5).text);
    assert.deepEqual(made.head, HEAD);
    assert.deepEqual(made.body, { args: [1, 5], at: 1, retries: 2, meta: { a: 1 }, next: stage([2]) });
  });

  it('is due when it says, after its parent', () => {
    assert.equal(nextItem({ ...stage([]), delayMs: 5 }, 1).delayMs, 5);
    assert.equal(nextItem({ ...stage([]), etaMs: 7 }, 1).etaMs, 7);
    assert.deepEqual(Object.keys(nextItem(stage([]), 1)), ['text']);
  });

  it('refuses what cannot be handed on, or is too large', () => {
    assert.throws(() => nextItem(stage([]), () => 1), PayloadError);
    assert.throws(() => nextItem(stage([]), 'x'.repeat(MESSAGE_MAX_BYTES)), /the call of stage takes/);
  });

  it('gets any value that is no plain object and no tuple unchanged', (t) => {
    const values = fc.oneof(fc.array(fc.jsonValue()), fc.string(), fc.double(), fc.bigInt(), fc.date());
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), values, (own, value) => {
        const args = argsAfter(own, value);
        const last = own.at(-1);
        const trails = typeof last === 'object' && last !== null && !Array.isArray(last);
        assert.deepEqual(args, trails ? [...own.slice(0, -1), value, last] : [...own, value]);
      }),
      { seed: randomSeed(t) },
    );
  });
});

describe('a handler', () => {
  const error = { name: 'TypeError', message: 'no', stack: 'at x', code: 'error' };
  const argsOf = (text: string): unknown[] => decode(decodeMessage(text).body.args) as unknown[];

  it('gets the error as its last argument, as a real one', () => {
    const [own, options, thrown] = argsOf(handlerItem(stage([1, { a: 1 }]), error).text);
    assert.deepEqual([own, options], [1, { a: 1 }]);
    assert.ok(thrown instanceof TypeError);
    assert.deepEqual([thrown.name, thrown.message, thrown.stack], ['TypeError', 'no', 'at x']);
  });

  it('knows errors of other names and without a stack', () => {
    const [thrown] = argsOf(handlerItem(stage([]), { name: 'TaskTimeout', message: 'slow', code: 'timeout' }).text);
    assert.ok(thrown instanceof Error);
    assert.equal(String(thrown), 'TaskTimeout: slow');
    assert.doesNotMatch(thrown.stack ?? '', /links/);
  });

  it('gets a bounded error', () => {
    const long = 'x'.repeat(MESSAGE_MAX_BYTES);
    assert.ok(handlerItem(stage([]), { name: long, message: long, stack: long, code: 'error' }).text.length < 50_000);
  });
});

describe('the later stages', () => {
  it('are none of a task alone', () => {
    assert.deepEqual(laterStages({ args: [], at: 1 }), { ids: [] });
  });

  it('are all of them, in order, with the chord of the last', () => {
    const chord = { id: 'c', index: 3 };
    const body = stage([], { next: stage([], { next: stage([], { chord }, 'three') }, 'two') }).body;
    assert.deepEqual(laterStages(body), { ids: ['two', 'three'], chord });
    assert.deepEqual(laterStages({ args: [], at: 1, chord }), { ids: [], chord });
  });
});
