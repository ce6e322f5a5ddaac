import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MalformedMessage, PayloadError } from '../../src/runtime/errors.js';
import { MESSAGE_MAX_BYTES } from '../../src/runtime/limits.js';
import { handlerItem, nextItem } from '../../src/runtime/links.js';
import { encodeHead, encodeMessage, withHead, type Body, type Head } from '../../src/runtime/message.js';
import { PayloadCodec, PLAIN_CODEC, type PayloadSettings } from '../../src/runtime/payload-codec.js';
import { tuple } from '../../src/runtime/tuple.js';
import { randomSeed } from '../support/seed.js';

const HEAD: Head = { id: 'a1', name: 'work', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
const BODY: Body = { args: ['x'.repeat(2000), 'ü'], at: 1 };

function message(codec: PayloadCodec, body = BODY, head = HEAD): string {
  return encodeMessage(head, codec.encodeBody(head.id, head.name, JSON.stringify(body)));
}

describe('a body', () => {
  const settings: PayloadSettings[] = [
    {},
    { compression: 'gzip' },
    { signingKeys: ['k'] },
    { compression: 'gzip', signingKeys: ['k', 'j'] },
  ];

  it('comes back, compressed and signed or not', (t) => {
    for (const setting of settings) {
      const codec = new PayloadCodec('q', setting);
      fc.assert(
        fc.property(fc.array(fc.jsonValue()), (args) => {
          const body = { args: JSON.parse(JSON.stringify(args)) as unknown[], at: 1 };
          assert.deepEqual(codec.decodeMessage(message(codec, body)).body, body);
        }),
        { seed: randomSeed(t), numRuns: 30 },
      );
      assert.deepEqual(codec.decodeMessage(message(codec)).body, BODY);
    }
  });

  it('is shorter compressed, and left alone where it is short', () => {
    const codec = new PayloadCodec('q', { compression: 'gzip' });
    assert.ok(message(codec).length < 300);
    assert.equal(codec.encodeBody('a', 'b', '{"args":[],"at":1}'), '{"args":[],"at":1}');
  });

  it('can be read compressed by who does not compress', () => {
    assert.deepEqual(new PayloadCodec('q').decodeMessage(message(new PayloadCodec('q', { compression: 'gzip' }))).body, BODY);
    assert.deepEqual(PLAIN_CODEC.decodeMessage(message(new PayloadCodec('q', { signingKeys: ['k'] }))).body, BODY);
  });

  it('stays as it is under another head', () => {
    const codec = new PayloadCodec('q', { compression: 'gzip', signingKeys: ['k'] });
    const again = withHead(withHead(message(codec), { ...HEAD, attempts: 3 }, { unknownSince: 5 }), { ...HEAD, attempts: 4 }, {});
    const read = codec.decodeMessage(again);
    assert.deepEqual([read.body, read.head.attempts, read.notes], [BODY, 4, {}]);
  });

  it('that inflates beyond the limit is refused', () => {
    const bomb = `gz.${gzipSync(Buffer.alloc(MESSAGE_MAX_BYTES * 10, 32)).toString('base64')}`;
    assert.throws(() => PLAIN_CODEC.decodeBody('a', 'b', bomb), /cannot be inflated/);
    for (const junk of ['', 'gz.', 'gz.####', 'sg.', '[]', 'null', '{', 5, null])
      assert.throws(() => PLAIN_CODEC.decodeBody('a', 'b', junk), MalformedMessage);
  });
});

describe('a signature', () => {
  const codec = new PayloadCodec('q', { signingKeys: ['new', 'old'] });
  const part = JSON.parse(codec.encodeBody('a1', 'work', JSON.stringify(BODY))) as string;

  it('is good for one queue, one id, one task and the very bytes', () => {
    assert.deepEqual(codec.decodeBody('a1', 'work', part), BODY);
    const wrong = [
      () => codec.decodeBody('a2', 'work', part),
      () => codec.decodeBody('a1', 'other', part),
      () => new PayloadCodec('r', { signingKeys: ['new'] }).decodeBody('a1', 'work', part),
      () => codec.decodeBody('a1', 'work', part.replace('"at":1', '"at":2')),
      () => codec.decodeBody('a1', 'work', part.slice(0, 20)),
      () => new PayloadCodec('q', { signingKeys: ['other'] }).decodeBody('a1', 'work', part),
    ];
    for (const read of wrong)
      assert.throws(read, (error) => error instanceof MalformedMessage && /not signed with a key/.test(error.message));
  });

  it('is asked for: unsigned bodies are refused, whatever they hold', () => {
    for (const unsigned of [BODY, JSON.stringify(BODY), `gz.${gzipSync(JSON.stringify(BODY)).toString('base64')}`, '', null])
      assert.throws(() => codec.decodeBody('a1', 'work', unsigned), /is not signed, and/);
  });

  it('is checked before anything is inflated or parsed', () => {
    const forged = `sg.${'A'.repeat(43)}.gz.####`;
    assert.throws(() => codec.decodeBody('a1', 'work', forged), /not signed with a key/);
  });

  it('made with an older key is good as long as the key is listed', () => {
    const old = new PayloadCodec('q', { signingKeys: ['old'] });
    assert.deepEqual(codec.decodeBody('a1', 'work', JSON.parse(old.encodeBody('a1', 'work', JSON.stringify(BODY)))), BODY);
    assert.throws(() => old.decodeBody('a1', 'work', part), MalformedMessage);
  });

  it('is made anew for each stage of a pipeline, with what was handed on, and for handlers', () => {
    const stage = { head: encodeHead({ ...HEAD, id: 's' }), body: { args: [1], at: 1 } };
    assert.deepEqual(codec.decodeMessage(nextItem(stage, 5, codec).text).body.args, [1, 5]);
    const error = { name: 'Error', message: 'no', code: 'error' };
    assert.equal(codec.decodeMessage(handlerItem(stage, error, codec).text).body.args.length, 2);
    assert.throws(() => codec.decodeMessage(nextItem(stage, 5).text), MalformedMessage);
  });
});

describe('another serializer', () => {
  const reversed = {
    encode: (value: unknown) => [...JSON.stringify(value)].reverse().join(''),
    decode: (text: string) => JSON.parse([...text].reverse().join('')) as unknown,
  };
  const codec = new PayloadCodec('q', {}, reversed);

  it('encodes values and each argument by itself', () => {
    assert.equal(codec.encodeValue({ a: 12 }), '{"$huey":["custom","}21:\\"a\\"{"]}');
    assert.deepEqual(codec.decodeValue(codec.encodeValue({ a: 12 })), { a: 12 });
    const text = codec.encodeArgs(tuple(1, 'ab'), 'args');
    assert.deepEqual(codec.decodeArgs(JSON.parse(text) as unknown[]), [1, 'ab']);
  });

  it('still reads what the built-in one wrote, as errors that are handed on', () => {
    assert.deepEqual(codec.decodeValue(PLAIN_CODEC.encodeValue(new Date(5))), new Date(5));
    assert.deepEqual(codec.decodeValue('{"a":1}'), { a: 1 });
    assert.throws(() => PLAIN_CODEC.decodeValue(codec.encodeValue(1)), PayloadError);
  });

  it('takes part in handing on', () => {
    const args = JSON.parse(codec.encodeArgs([4, { c: 5 }], 'args')) as unknown[];
    const stage = { head: encodeHead(HEAD), body: { args, at: 1 } };
    const read = (value: unknown): unknown[] => codec.decodeArgs(codec.decodeMessage(nextItem(stage, value, codec).text).body.args);
    assert.deepEqual(read(6), [4, 6, { c: 5 }]);
    assert.deepEqual(read({ c: 1, d: 2 }), [4, { c: 5, d: 2 }]);
  });

  it('that fails is named in the error', () => {
    const broken = new PayloadCodec(
      'q',
      {},
      {
        encode: () => 5 as never,
        decode: () => {
          throw new Error('bad bytes');
        },
      },
    );
    assert.throws(() => broken.encodeValue(1, 'args[0]'), /args\[0\]: the serializer gave no text/);
    assert.throws(() => broken.decodeValue('{"$huey":["custom","x"]}'), /cannot be decoded by the serializer: bad bytes/);
  });
});
