import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigurationError, MalformedMessage } from '../../src/runtime/errors.js';
import { NAME_MAX_CHARS, PRIORITY_MAX, RETRIES_MAX, TIMEOUT_MAX_MS } from '../../src/runtime/limits.js';
import {
  checkBody,
  checkName,
  decodeHead,
  decodeMessage,
  encodeHead,
  encodeMessage,
  idOf,
  isPlain,
  readHead,
  SEPARATOR,
  withHead,
  type Head,
} from '../../src/runtime/message.js';
import { randomSeed } from '../support/seed.js';

const PLAIN: Head = { id: 'a', name: 'job', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
const BODY = '{"args":[1,"ü"],"at":1}';

const heads: fc.Arbitrary<Head> = fc
  .record({
    id: fc.stringMatching(/^[!#-[\]-~]{1,128}$/),
    name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }).filter((name) => isName(name)),
    attempts: fc.nat(RETRIES_MAX),
    retries: fc.nat(RETRIES_MAX),
    lapses: fc.nat(35),
    deaths: fc.nat(35),
    priority: fc.integer({ min: -PRIORITY_MAX, max: PRIORITY_MAX }),
    timeoutMs: fc.nat(TIMEOUT_MAX_MS),
    expiresAt: fc.nat(9_999_999_999_999),
    relative: fc.boolean(),
  })
  .map(({ relative, ...head }) => (relative ? { ...head, expiryIsRelative: true } : head));

describe('a message', () => {
  it('comes back as it was made', (t) => {
    fc.assert(
      fc.property(heads, fc.array(fc.jsonValue()), (head, args) => {
        const body = { args: JSON.parse(JSON.stringify(args)) as unknown[], at: 1 };
        const text = encodeMessage(head, JSON.stringify(body));
        assert.deepEqual(decodeHead(text), head);
        assert.deepEqual(decodeMessage(text), { head, body, notes: {} });
        assert.equal(idOf(text), head.id);
      }),
      { seed: randomSeed(t) },
    );
  });

  it('is JSON, its head also readable as it comes out of the parser', (t) => {
    fc.assert(
      fc.property(heads, (head) => {
        const [headText] = JSON.parse(encodeMessage(head, BODY)) as [string];
        assert.equal(headText, encodeHead(head));
        assert.deepEqual(readHead(headText, -2), head);
        assert.equal(idOf(headText, -2), head.id);
        assert.equal(isPlain(headText, -2), isPlain(encodeMessage(head, BODY), 0));
      }),
      { seed: randomSeed(t) },
    );
  });

  it('joined with others parses as one list, and splits without parsing', () => {
    const texts = ['a', 'b', 'c'].map((id) => encodeMessage({ ...PLAIN, id }, '{"args":["],\\n[\\"x"],"at":1}'));
    const chunk = texts.join(SEPARATOR);
    assert.equal((JSON.parse(`[${chunk}]`) as unknown[]).length, 3);
    assert.deepEqual(chunk.split(SEPARATOR), texts);
  });

  it('stands in the bytes as version 1 says', () => {
    const head: Head = {
      ...PLAIN,
      id: 'id',
      name: 'n',
      attempts: 1,
      retries: 36,
      lapses: 2,
      deaths: 3,
      priority: -7,
      timeoutMs: 35,
      expiresAt: 1_700_000_000_000,
    };
    assert.equal(encodeMessage(head, BODY), `["110001001023-000700000z1700000000000id n",${BODY}]`);
    assert.equal(encodeMessage(PLAIN, BODY), `["100000000000+00000000000000000000000a job",${BODY}]`);
  });

  it('is plain where there is nothing to look at before the start', () => {
    assert.equal(isPlain(encodeMessage({ ...PLAIN, attempts: 3, retries: 2, timeoutMs: 5 }, BODY), 0), true);
    for (const part of [{ priority: 1 }, { priority: -1 }, { lapses: 1 }, { deaths: 1 }, { expiresAt: 1 }, { expiryIsRelative: true }]) {
      assert.equal(isPlain(encodeMessage({ ...PLAIN, ...part }, BODY), 0), false, JSON.stringify(part));
    }
  });

  it('takes what is too large for a field as the largest', () => {
    const head = decodeHead(encodeMessage({ ...PLAIN, lapses: 99, deaths: 99, attempts: RETRIES_MAX + 5, retries: 1e12 }, BODY));
    assert.deepEqual([head.lapses, head.deaths, head.attempts, head.retries], [35, 35, RETRIES_MAX, RETRIES_MAX]);
  });
});

describe('another head', () => {
  it('leaves the bytes of the body as they were', () => {
    const body = '{"args" : [1.50, "\\u00fc", {"__proto__":1}],  "at":1, "unknown":{"kept":true}}';
    const text = encodeMessage(PLAIN, body);
    const next = withHead(text, { ...PLAIN, attempts: 1, priority: 5, expiresAt: 77 });
    assert.ok(next.endsWith(`",${body}]`));
    assert.deepEqual(decodeHead(next), { ...PLAIN, attempts: 1, priority: 5, expiresAt: 77 });
    assert.equal(withHead(next, PLAIN), text);
  });

  it('keeps the notes unless others are given', () => {
    const noted = withHead(encodeMessage(PLAIN, BODY), PLAIN, { unknownSince: 5 });
    assert.deepEqual(decodeMessage(noted).notes, { unknownSince: 5 });
    assert.deepEqual(decodeMessage(withHead(noted, { ...PLAIN, attempts: 1 })).notes, { unknownSince: 5 });
    assert.equal(withHead(noted, PLAIN, {}), encodeMessage(PLAIN, BODY));
  });

  it('stands before any head, also one with the same name and id', (t) => {
    fc.assert(
      fc.property(heads, heads, (one, other) => {
        assert.equal(withHead(encodeMessage(one, BODY), other), encodeMessage(other, BODY));
      }),
      { seed: randomSeed(t) },
    );
  });
});

describe('what is no message', () => {
  const good = encodeMessage(PLAIN, BODY);

  it('is refused by its head alone', () => {
    const bad = [
      '',
      '[',
      '{}',
      'null',
      '[]',
      good.slice(0, 38),
      ` ${good}`,
      good.replace('["1', '["2'),
      good.replace('+', '*'),
      good.replace(' job', ''),
      good.replace('a job', 'a "job'),
    ];
    for (const text of bad) assert.throws(() => decodeHead(text), MalformedMessage, text);
  });

  it('is refused where the rest cannot be read', () => {
    for (const text of [
      good.slice(0, -1),
      good.replace('{', '{{'),
      `${good}x`,
      good.replace(BODY, '7'),
      good.replace(BODY, '{"args":7}'),
    ]) {
      assert.throws(() => decodeMessage(text), MalformedMessage, text);
    }
    for (const body of [null, undefined, 7, [], {}, { args: {} }]) assert.throws(() => checkBody(body), MalformedMessage);
  });

  it('is refused when it is cut off anywhere', () => {
    for (let end = 0; end < good.length; end++) assert.throws(() => decodeMessage(good.slice(0, end)), MalformedMessage);
  });

  it('is refused whatever the characters, with one kind of error', (t) => {
    const near = fc
      .tuple(fc.nat(good.length - 1), fc.string({ maxLength: 3 }))
      .map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        try {
          const { head } = decodeMessage(text);
          assert.ok(head.id.length > 0);
        } catch (error) {
          assert.ok(error instanceof MalformedMessage, String(error));
        }
      }),
      { seed: randomSeed(t) },
    );
  });

  it('is refused where it is nested too deep for the parser, or read; never a crash', () => {
    const deep = `{"args":[${'['.repeat(10_000)}${']'.repeat(10_000)}],"at":1}`;
    try {
      decodeMessage(encodeMessage(PLAIN, deep));
    } catch (error) {
      assert.ok(error instanceof MalformedMessage);
    }
  });

  it('changes no prototype', () => {
    const { body } = decodeMessage(encodeMessage(PLAIN, '{"args":[{"__proto__":{"polluted":1}}],"at":1,"__proto__":{"polluted":1}}'));
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(Object.getPrototypeOf(body), Object.prototype);
  });
});

describe('the name of a task', () => {
  it('is what stands unescaped in JSON', () => {
    for (const name of ['job', 'mail.send', 'zwei Wörter', '任务 🙂', 'x'.repeat(NAME_MAX_CHARS)]) assert.equal(checkName(name), name);
    for (const name of ['', 'a"b', 'a\\b', 'a\nb', 'a\u0000b', 'x'.repeat(NAME_MAX_CHARS + 1)]) {
      assert.throws(
        () => checkName(name),
        (error: unknown) => error instanceof ConfigurationError && error.code === 'bad-name',
      );
    }
  });
});

function isName(name: string): boolean {
  try {
    return checkName(name) === name;
  } catch {
    return false;
  }
}
