/** Messages as nobody makes them: whatever they hold, they are read as they are or refused, and no prototype changes. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MalformedMessage } from '../../src/runtime/errors.js';
import { buryUnreadable, decide, type Outcome } from '../../src/runtime/lifecycle.js';
import { HOUR_MS } from '../../src/runtime/limits.js';
import { decodeMessage, encodeHead, encodeMessage, type Head, type Message } from '../../src/runtime/message.js';
import { checkTransition } from '../../src/runtime/storage/checks.js';
import { randomSeed } from '../support/seed.js';

const HEAD: Head = {
  id: 'a',
  name: 'n',
  attempts: 0,
  retries: 0,
  lapses: 0,
  deaths: 0,
  priority: 0,
  timeoutMs: 0,
  expiresAt: 0,
  linked: true,
};
const ERROR = { name: 'Error', message: 'no', code: 'error' };
const OUTCOMES: readonly Outcome[] = [
  { kind: 'complete', record: 'd1', ttlSeconds: 60, contribution: '1' },
  { kind: 'error', error: ERROR },
  { kind: 'cancel', retry: false, reason: 'enough' },
  { kind: 'revoked' },
  { kind: 'expired' },
  { kind: 'crashed', alone: true, reason: 'exit' },
  { kind: 'dead', reason: 'too often' },
  { kind: 'unknown-task' },
  { kind: 'not-started' },
];

/** What the dispatcher makes of it: for every outcome one transition that a storage takes. */
function transitionsOf(text: string): void {
  let message: Message;
  try {
    message = decodeMessage(text);
  } catch (error) {
    assert.ok(error instanceof MalformedMessage, String(error));
    const { transition } = buryUnreadable(text, error.message);
    assert.ok(transition.kind === 'bury' && transition.text === text, 'it is kept as it is');
    return;
  }
  for (const outcome of OUTCOMES) {
    checkTransition(decide(text, message, outcome, { now: 1, resultTtlMs: HOUR_MS }).transition);
  }
}

const WRONG: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  '',
  'x',
  'a b',
  'ü',
  'x'.repeat(2000),
  [],
  [1],
  {},
  { id: 'a' },
  { head: 'a', body: {} },
];
const STAGE = { head: encodeHead({ ...HEAD, id: 'b' }), body: { args: [1], at: 1 } };
const GOOD: Record<string, unknown> = {
  args: [1, { a: 1 }],
  at: 1,
  retries: 1,
  retryDelayMs: 10,
  retryBackoff: 2,
  resultTtlMs: 1000,
  result: false,
  meta: { a: 1 },
  trace: 't',
  key: 'k',
  unique: { key: 'k', until: 'ended' },
  root: 'r',
  parent: 'p',
  next: { ...STAGE, delayMs: 5 },
  onError: { ...STAGE, etaMs: 5 },
  chord: { id: 'c', index: 0 },
  collect: 'c',
  tick: 60_000,
};

/** The same value with something else at one place of it, for each place. */
function* variants(value: unknown): Generator<unknown> {
  for (const wrong of WRONG) yield wrong;
  if (Array.isArray(value)) for (const [i] of value.entries()) for (const one of variants(value[i])) yield value.with(i, one);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) for (const one of variants(part)) yield { ...value, [key]: one };
  }
}

describe('a message with something wrong in it', () => {
  it('wherever it stands in the body, comes to a transition that every storage takes', () => {
    transitionsOf(encodeMessage(HEAD, JSON.stringify(GOOD)));
    let tried = 0;
    for (const body of variants(GOOD)) {
      transitionsOf(encodeMessage(HEAD, JSON.stringify(body)));
      tried++;
    }
    assert.ok(tried > 500, `${tried} bodies`);
  });

  it('at any place of the head is read or refused', (t) => {
    const text = encodeMessage(HEAD, JSON.stringify(GOOD));
    fc.assert(
      fc.property(fc.nat(50), fc.oneof(fc.string({ unit: 'binary', maxLength: 3 }), fc.string({ maxLength: 40 })), (at, other) => {
        transitionsOf(text.slice(0, at) + other + text.slice(at + 1));
      }),
      { seed: randomSeed(t), numRuns: 2000 },
    );
  });

  it('that is random, cut off, or mixed of two, is read or refused', (t) => {
    const text = encodeMessage(HEAD, JSON.stringify(GOOD));
    const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list).toString('latin1'));
    const mixed = fc.tuple(fc.nat(text.length), fc.nat(text.length)).map(([a, b]) => text.slice(0, a) + text.slice(b));
    const json = fc.json({ maxDepth: 5 }).map((body) => encodeMessage(HEAD, body));
    fc.assert(fc.property(fc.oneof(bytes, mixed, json), transitionsOf), { seed: randomSeed(t), numRuns: 2000 });
  });

  it('is refused with an id that is too long for a record, with control characters, or as what is no text', () => {
    for (const head of [{ id: 'x'.repeat(129) }, { id: 'ü' }, { name: 'a\u0001' }, { name: 'a\nb' }]) {
      assert.throws(() => decodeMessage(encodeMessage({ ...HEAD, ...head }, '{"args":[],"at":1}')), MalformedMessage);
    }
    const list: unknown = [encodeMessage(HEAD, '{"args":[],"at":1}')];
    assert.throws(() => decodeMessage(list as string), MalformedMessage);
  });

  it('nested 10,000 deep in any place is read or refused', () => {
    for (const key of Object.keys(GOOD)) {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
        ['{"next":', '}'],
      ] as const) {
        const deep = `${open.repeat(10_000)}1${close.repeat(10_000)}`;
        const rest = JSON.stringify({ ...GOOD, [key]: 'here' }).replace('"here"', deep);
        transitionsOf(encodeMessage(HEAD, rest));
      }
    }
    // A pipeline of so many stages is a good one.
    const stage = JSON.stringify(STAGE.head);
    const deep = `${`{"args":[],"at":1,"next":{"head":${stage},"body":`.repeat(10_000)}{"args":[],"at":1}${'}}'.repeat(10_000)}`;
    const { body } = decodeMessage(encodeMessage(HEAD, deep));
    const { transition } = decide(
      encodeMessage(HEAD, deep),
      { head: HEAD, body, notes: {} },
      { kind: 'revoked' },
      { now: 1, resultTtlMs: 1 },
    );
    assert.equal(transition.effects?.also?.length, 10_000);
  });

  it('changes no prototype', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const body = `{"args":[{"${key}":{"polluted":1}}],"at":1,"${key}":{"polluted":1},"next":{"${key}":{"polluted":1}}}`;
      transitionsOf(encodeMessage(HEAD, body));
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    }
  });
});
