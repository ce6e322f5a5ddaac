import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { N_DEFAULT, parseOptions, UsageError } from '../../bench/options.js';

const KNOWN = ['drain-noop', 'limit'];

describe('the options of the benchmarks', () => {
  it('are all of it, five times, unless something else is said', () => {
    const options = parseOptions([], KNOWN);
    assert.deepEqual(options.only, []);
    assert.equal(options.rounds, 5);
    assert.equal(options.n, N_DEFAULT);
    assert.equal(options.concurrency, undefined);
  });

  it('take lists of names', () => {
    const { only, systems } = parseOptions(['--only', 'limit, drain-noop,', '--systems=bullmq'], KNOWN);
    assert.deepEqual(only, ['limit', 'drain-noop']);
    assert.deepEqual(systems, ['bullmq']);
  });

  it('are small with --quick, but what was given counts', () => {
    assert.equal(parseOptions(['--quick'], KNOWN).rounds, 1);
    assert.ok(parseOptions(['--quick'], KNOWN).n < N_DEFAULT / 10);
    assert.equal(parseOptions(['--quick', '--rounds', '3', '--n', '70'], KNOWN).rounds, 3);
    assert.equal(parseOptions(['--quick', '--n', '70'], KNOWN).n, 70);
  });

  it('refuse what makes no sense, with the name of it', () => {
    assert.throws(() => parseOptions(['--only', 'drain'], KNOWN), /no scenario "drain"; there are drain-noop, limit/);
    assert.throws(() => parseOptions(['--only', 'toString'], KNOWN), UsageError);
    for (const rounds of ['0', '-1', '1.5', 'many', '1000', '']) {
      assert.throws(() => parseOptions([`--rounds=${rounds}`], KNOWN), /--rounds must be a whole number/);
    }
    assert.throws(() => parseOptions(['--fast'], KNOWN), UsageError);
    assert.throws(() => parseOptions(['extra'], KNOWN), UsageError);
  });
});
