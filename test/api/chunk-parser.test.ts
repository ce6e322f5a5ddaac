/** Messages travel joined, and are read apart: what is wrong with one never becomes part of another. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chunkParser } from '../../src/api/task-runner.js';
import { SEPARATOR } from '../../src/runtime/message.js';
import { PayloadCodec } from '../../src/runtime/payload-codec.js';
import { randomSeed } from '../support/seed.js';

const codec = new PayloadCodec('q');

function parse(...texts: string[]): unknown[] {
  const read = chunkParser(texts.join(SEPARATOR), texts.length, SEPARATOR, codec);
  return texts.map((_, slot) => read(slot));
}

describe('a chunk of messages', () => {
  it('is read in order', () => {
    assert.deepEqual(parse('["a",{"args":[1]}]'), [['a', { args: [1] }]]);
    assert.deepEqual(parse('["a",{"args":[1]}]', '["b",{"args":[[2]]},{}]'), [
      ['a', { args: [1] }],
      ['b', { args: [[2]] }, {}],
    ]);
  });

  it('leaves out a broken one, and no other', () => {
    assert.deepEqual(parse('["a",{}]', '["b",{', '["c",{}]'), [['a', {}], undefined, ['c', {}]]);
    assert.deepEqual(parse('["a"'), [undefined]);
  });

  it('does not take two broken ones that fit together for two others', () => {
    assert.deepEqual(parse('["a",{"args":[]},[1', '["b",{}]]],["x",{"args":[]}]'), [undefined, undefined]);
    assert.deepEqual(parse('["a",{"args":[', '["b",{}]]}],["b",{"args":[]}]'), [undefined, undefined]);
    assert.deepEqual(parse('["a",{}],["x",{}],["y"', '["b",{}]', '["c",{}]]'), [undefined, ['b', {}], undefined]);
  });

  it('is what each of its messages is alone, whatever they are', (t) => {
    const piece = fc
      .array(fc.constantFrom('[', ']', '{', '}', ',', '"a"', '"args":', '1', ' '), { maxLength: 12 })
      .map((parts) => parts.join(''));
    const property = fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
      const texts = pieces.map((text) => `["h",${text}`);
      assert.deepEqual(
        parse(...texts),
        texts.flatMap((text) => parse(text)),
      );
    });
    fc.assert(property, { seed: randomSeed(t), numRuns: 2000 });
  });
});
