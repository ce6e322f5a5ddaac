import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { median, pairRatios, quantile, spreadOf } from '../../bench/statistics.js';
import { randomSeed } from '../support/seed.js';

describe('the statistics of the benchmarks', () => {
  it('say median, minimum and maximum, whatever the order', () => {
    assert.deepEqual(spreadOf([30, 10, 20]), { median: 20, min: 10, max: 30, count: 3 });
    assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4, count: 4 });
    assert.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7, count: 1 });
  });

  it('leave what they describe as it was', () => {
    const values = [3, 1, 2];
    spreadOf(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  it('put a quantile between its two neighbours', () => {
    const values = Array.from({ length: 101 }, (_, i) => i);
    assert.equal(quantile(values, 0.99), 99);
    assert.equal(quantile([0, 10], 0.25), 2.5);
    assert.equal(quantile([5, 1], 0), 1);
    assert.equal(quantile([5, 1], 1), 5);
  });

  it('refuse to describe nothing', () => {
    assert.throws(() => spreadOf([]), RangeError);
    assert.throws(() => median([]), RangeError);
  });

  it('keep quantiles in order and within the values', (t) => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const found = quantile(list, share);
        assert.ok(found >= Math.min(...list) - 1e-3 && found <= Math.max(...list) + 1e-3);
        assert.ok(quantile(list, 0) <= found + 1e-3 && found <= quantile(list, 1) + 1e-3);
      }),
      { seed: randomSeed(t) },
    );
  });

  it('compare runs of the same round, not medians of different ones', () => {
    // The second round was disturbed for both: the ratio does not see it.
    assert.deepEqual(pairRatios([100, 10, 110], [50, 5, 50]), { median: 2, min: 2, max: 2.2, count: 3 });
  });

  it('leave out rounds in which one of the two has no figure', () => {
    assert.deepEqual(pairRatios([100, undefined, 90, 80], [50, 10, undefined, 0]), { median: 2, min: 2, max: 2, count: 1 });
    assert.equal(pairRatios([undefined], [1]), undefined);
    assert.equal(pairRatios([], []), undefined);
  });
});
