import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  completionMaxBytes,
  decodeCompletions,
  decodeRecord,
  encodeCompletion,
  encodeRecord,
  GONE_PAYLOAD,
  writeCompletion,
  type Completion,
  type FinalState,
} from '../../src/runtime/completion.js';
import { MalformedMessage } from '../../src/runtime/errors.js';
import { randomSeed } from '../support/seed.js';

const STATES: FinalState[] = ['done', 'failed', 'canceled', 'revoked', 'expired', 'dead'];

const completions = fc.array(
  fc.record(
    {
      id: fc.stringMatching(/^[!#-[\]-~]{1,128}$/),
      ttlSeconds: fc.nat(2 ** 32 - 1),
      record: fc.string({ unit: 'grapheme', maxLength: 300 }).map((payload) => `d${payload}`),
    },
    { noNullPrototype: true },
  ),
);

describe('completions', () => {
  it('come back as they were written, one behind the other', (t) => {
    fc.assert(
      fc.property(completions, (list) => {
        assert.deepEqual(decodeCompletions(written(list)), list);
        assert.deepEqual(decodeCompletions(Buffer.concat(list.map(encodeCompletion))), list);
      }),
      { seed: randomSeed(t) },
    );
  });

  it('never take more room than was reckoned, whatever the characters', () => {
    for (const record of ['', 'd', 'dü€𝄞🙂', `d${'x'.repeat(64)}`, `d${'€'.repeat(1000)}`, `d${'\ud800'.repeat(10)}`]) {
      const bytes = encodeCompletion({ id: 'a', ttlSeconds: 1, record });
      assert.ok(bytes.byteLength <= completionMaxBytes('a', record));
      assert.equal(decodeCompletions(bytes)[0]?.record, Buffer.from(record, 'utf8').toString('utf8'));
    }
  });

  it('can stand in the middle of a larger piece of memory, also a shared one', () => {
    for (const memory of [new ArrayBuffer(200), new SharedArrayBuffer(200)]) {
      const bytes = new Uint8Array(memory, 10, 150);
      const end = writeCompletion(bytes, 20, 'a', 5, 'd"ü"');
      assert.deepEqual(decodeCompletions(bytes.subarray(20, end)), [{ id: 'a', ttlSeconds: 5, record: 'd"ü"' }]);
    }
  });

  it('are refused where they are cut off, at any byte', () => {
    const bytes = written([
      { id: 'a', ttlSeconds: 1, record: 'd1' },
      { id: 'bcd', ttlSeconds: 2, record: 'd' },
    ]);
    const first = encodeCompletion({ id: 'a', ttlSeconds: 1, record: 'd1' }).byteLength;
    for (let end = 0; end < bytes.byteLength; end++) {
      const cut = bytes.subarray(0, end);
      if (end === 0 || end === first) assert.equal(decodeCompletions(cut).length, end === 0 ? 0 : 1);
      else assert.throws(() => decodeCompletions(cut), MalformedMessage, `cut at ${end}`);
    }
  });

  it('of random bytes are read or refused, never anything else', (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeCompletions(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedMessage, String(error));
        }
      }),
      { seed: randomSeed(t) },
    );
  });
});

describe('records', () => {
  it('keep the state in one letter', () => {
    for (const state of STATES) {
      for (const payload of ['', '"x"', GONE_PAYLOAD, '{"a":"ü"}']) {
        const record = encodeRecord(state, payload);
        assert.equal(record.length, payload.length + 1);
        assert.deepEqual(decodeRecord(record), { state, payload });
      }
    }
    assert.equal(new Set(STATES.map((state) => encodeRecord(state, ''))).size, STATES.length);
  });

  it('of no known state count as dead', () => {
    assert.equal(decodeRecord('?1').state, 'dead');
    assert.equal(decodeRecord('').state, 'dead');
  });
});

function written(list: readonly Completion[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, { id, record }) => sum + completionMaxBytes(id, record), 0));
  let end = 0;
  for (const { id, ttlSeconds, record } of list) end = writeCompletion(bytes, end, id, ttlSeconds, record);
  return bytes.slice(0, end);
}
