import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { BUCKET_IDS, bucketOf, checkId, IdGenerator, isGenerated, newConsumerId } from '../../src/runtime/ids.js';
import { ID_MAX_CHARS, MINUTE_MS } from '../../src/runtime/limits.js';

describe('generated ids', () => {
  it('are distinct, of one length, and can be given as ids', () => {
    const generator = new IdGenerator();
    const ids = Array.from({ length: 3 * BUCKET_IDS }, () => generator.next());
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every((id) => isGenerated(id) && id.length === 19 && checkId(id) === id));
  });

  it('fill a bucket in order and then begin another', () => {
    const generator = new IdGenerator();
    const ids = Array.from({ length: BUCKET_IDS + 1 }, () => generator.next());
    const buckets = new Set(ids.map((id) => bucketOf(id)));
    assert.equal(buckets.size, 2);
    assert.deepEqual(ids.slice(0, BUCKET_IDS), ids.slice(0, BUCKET_IDS).toSorted());
    assert.equal(parseInt(ids[BUCKET_IDS - 1]?.slice(16) ?? '', 36), BUCKET_IDS - 1);
    assert.equal(ids[BUCKET_IDS]?.slice(16), '000');
  });

  it('begin another bucket after ten minutes', () => {
    let now = Date.UTC(2026, 0, 1);
    const generator = new IdGenerator(() => now);
    const first = bucketOf(generator.next());
    now += 10 * MINUTE_MS;
    assert.equal(bucketOf(generator.next()), first);
    now += 1;
    assert.notEqual(bucketOf(generator.next()), first);
  });

  it('carry their time, so that they are ordered by it', () => {
    let now = Date.UTC(2026, 0, 1);
    const generator = new IdGenerator(() => now);
    const early = generator.next();
    assert.equal(parseInt(early.slice(0, 8), 36), now);
    now += 60 * MINUTE_MS;
    assert.ok(early < generator.next());
  });

  it('of two processes at the same instant are in different buckets', () => {
    const now = (): number => 1e12;
    assert.notEqual(bucketOf(new IdGenerator(now).next()), bucketOf(new IdGenerator(now).next()));
  });
});

describe('an id of the caller', () => {
  it('is its own bucket', () => {
    for (const id of ['beans-7', 'mb1x2k9c7f3k0q2z00', 'MB1X2K9C7F3K0Q2Z00A', 'mb1x2k9c7f3k0q2z00a0']) {
      assert.equal(isGenerated(id), false);
      assert.equal(bucketOf(id), id);
    }
  });

  it('is printable ASCII without blanks, quotes and backslashes', () => {
    for (const id of ['a', 'beans-7', "it's", '!~[]{}:/#@', 'x'.repeat(ID_MAX_CHARS)]) assert.equal(checkId(id), id);
    for (const id of ['', ' ', 'a b', 'a"b', 'a\\b', 'ä', 'a\n', 'a\u007f', 'x'.repeat(ID_MAX_CHARS + 1), 7, null, undefined, {}]) {
      assert.throws(
        () => checkId(id),
        (error: unknown) => error instanceof ConfigurationError && error.code === 'bad-id',
        JSON.stringify(id),
      );
    }
  });
});

it('names of consumers are random', () => {
  const names = Array.from({ length: 1000 }, () => newConsumerId());
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((name) => /^[\w-]{12}$/.test(name)));
});
