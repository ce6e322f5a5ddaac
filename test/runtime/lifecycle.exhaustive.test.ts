/**
 * `decide` over every combination of outcome, retries, lapses, deaths, links, expiry and options. What must hold is
 * written down from the promises, not from the code.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeRecord, type FinalState } from '../../src/runtime/completion.js';
import { decide, type Decision, type Outcome } from '../../src/runtime/lifecycle.js';
import { DEATHS_MAX, HOUR_MS } from '../../src/runtime/limits.js';
import { decodeHead, decodeMessage, encodeHead, encodeMessage, idOf, type Head } from '../../src/runtime/message.js';
import { checkTransition } from '../../src/runtime/storage/checks.js';

const NOW = 1_800_000_000_000;
const ERROR = { name: 'Error', message: 'no bean', code: 'error' };
const PLAIN: Head = { id: 'a', name: 'n', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

const OUTCOMES: readonly Outcome[] = [
  { kind: 'complete', record: 'd1', ttlSeconds: 60 },
  { kind: 'error', error: ERROR },
  { kind: 'timeout', error: ERROR },
  { kind: 'retry', delayMs: 0 },
  { kind: 'retry', delayMs: 7000 },
  ...[undefined, true, false].map((retry): Outcome => ({ kind: 'cancel', retry, reason: 'enough' })),
  { kind: 'locked', error: ERROR },
  ...[true, false].map((retry): Outcome => ({ kind: 'rate-limited', error: ERROR, resetMs: 5000, retry })),
  { kind: 'unknown-task' },
  { kind: 'malformed', reason: 'no list' },
  { kind: 'expired' },
  { kind: 'revoked' },
  { kind: 'dead', reason: 'too often' },
  ...[true, false].map((alone): Outcome => ({ kind: 'crashed', alone, reason: 'exit' })),
  { kind: 'interrupted' },
  { kind: 'not-started' },
  { kind: 'postponed', delayMs: 400 },
];

const LINKS: Record<string, unknown> = {
  next: {
    head: encodeHead({ ...PLAIN, id: 'next' }),
    body: { args: [], at: 1, next: { head: encodeHead({ ...PLAIN, id: 'last' }), body: { args: [], at: 1 } } },
  },
  onError: { head: encodeHead({ ...PLAIN, id: 'handler' }), body: { args: [], at: 1 } },
  chord: { id: 'chord', index: 3 },
  collect: 'collected',
  unique: { key: 'key', until: 'ended' },
};
type Link = 'next' | 'onError' | 'chord' | 'collect' | 'unique';
const LINK_NAMES = Object.keys(LINKS) as Link[];

interface Case {
  outcome: Outcome;
  head: Head;
  has: ReadonlySet<Link>;
  hasDelay: boolean;
  intermediateErrors: boolean;
  /** How long ago a consumer that does not know it saw it first; undefined: never. */
  unknownForMs: number | undefined;
}

function* cases(): Generator<Case> {
  for (const outcome of OUTCOMES)
    for (const retries of [0, 1, 5])
      for (const lapses of [0, 1, 2, 35])
        for (const deaths of [0, DEATHS_MAX - 1, DEATHS_MAX, 35])
          for (const expiresAt of [0, NOW - 1])
            for (let links = 0; links < 2 ** LINK_NAMES.length; links++)
              for (const options of [0, 1, 2, 3])
                for (const unknownForMs of outcome.kind === 'unknown-task' ? [undefined, 0, HOUR_MS - 1, HOUR_MS] : [undefined]) {
                  const has = new Set(LINK_NAMES.filter((_, bit) => (links & (2 ** bit)) !== 0));
                  const head = {
                    ...PLAIN,
                    retries,
                    lapses,
                    deaths,
                    expiresAt,
                    attempts: 4,
                    priority: -3,
                    timeoutMs: 9,
                    linked: has.size > 0,
                  };
                  yield { outcome, head, has, hasDelay: (options & 1) !== 0, intermediateErrors: (options & 2) !== 0, unknownForMs };
                }
}

function textOf({ head, has, hasDelay, unknownForMs }: Case): string {
  const body = { args: [1], at: 1, retries: 5, ...(hasDelay ? { retryDelayMs: 2000 } : {}) };
  const links = Object.fromEntries(LINK_NAMES.filter((name) => has.has(name)).map((name) => [name, LINKS[name]]));
  const text = encodeMessage(head, JSON.stringify({ ...body, ...links }));
  return unknownForMs === undefined ? text : `${text.slice(0, -1)},{"unknownSince":${NOW - unknownForMs}}]`;
}

/** How it must end; undefined: it is tried again. */
function endOf({ outcome, head, unknownForMs }: Case): FinalState | undefined {
  switch (outcome.kind) {
    case 'complete':
      return 'done';
    case 'error':
    case 'timeout':
    case 'locked':
      return head.retries > 0 ? undefined : 'failed';
    case 'rate-limited':
      return outcome.retry || head.retries > 0 ? undefined : 'failed';
    case 'cancel':
      return (outcome.retry ?? head.retries > 0) ? undefined : 'canceled';
    case 'crashed':
      return head.deaths + (outcome.alone ? 1 : 0) > DEATHS_MAX ? 'dead' : undefined;
    case 'unknown-task':
      return unknownForMs === HOUR_MS ? 'dead' : undefined;
    case 'malformed':
    case 'dead':
      return 'dead';
    case 'expired':
    case 'revoked':
      return outcome.kind;
    case 'retry':
    case 'interrupted':
    case 'not-started':
    case 'postponed':
      return undefined;
  }
}

const FAILED: ReadonlySet<FinalState | undefined> = new Set(['failed', 'dead'] as const);

/** What every end and every new try must be like. */
function check(one: Case, text: string, { transition }: Decision): void {
  const { outcome, has } = one;
  const end = endOf(one);
  checkTransition(transition);
  assert.equal(transition.id, 'a');
  const effects = transition.effects ?? {};
  const stored = (effects.enqueue ?? []).map((item) => idOf(item.text));

  if (end === undefined) {
    assert.ok(transition.kind === 'requeue', 'it is tried again');
    checkAgain(one, text, transition);
    // Each attempt's handler is a call of its own.
    const isFailure = 'error' in outcome && outcome.kind !== 'rate-limited';
    assert.deepEqual(stored, isFailure && one.intermediateErrors && has.has('onError') ? ['handler-5'] : []);
    for (const key of ['also', 'chord', 'endChord', 'freeUnique'] as const) assert.equal(effects[key], undefined, 'nothing has ended');
    return;
  }
  assert.ok(transition.kind !== 'requeue', 'it has ended');
  assert.equal(transition.kind, end === 'dead' ? 'bury' : 'settle');
  assert.equal(decodeRecord(transition.record).state, end);
  assert.ok(transition.ttlSeconds > 0, 'whoever waits is told');
  if (transition.kind === 'bury')
    assert.equal(transition.text.slice(transition.text.indexOf('",')), text.slice(text.indexOf('",')), 'kept as it is');
  assert.equal(effects.freeUnique, has.has('unique') ? 'key' : undefined, 'a key is free at the end, whatever it was');
  assert.equal(effects.endChord, has.has('collect') ? 'collected' : undefined, 'a list goes with its callback');
  // Of a pipeline the last stage is a chord's member; the one that stands here is not.
  assert.equal(effects.chord !== undefined, has.has('chord') && !has.has('next'), 'the chord gets something in any case');
  assert.deepEqual(stored, FAILED.has(end) && has.has('onError') ? ['handler'] : []);
  assert.deepEqual(
    (effects.also ?? []).map(({ id }) => id),
    end !== 'done' && has.has('next') ? ['next', 'last'] : [],
    'who never runs is told',
  );
  for (const { record } of effects.also ?? []) assert.equal(decodeRecord(record).state, 'canceled');
}

function checkAgain(
  { outcome, head, hasDelay }: Case,
  text: string,
  transition: Extract<Decision['transition'], { kind: 'requeue' }>,
): void {
  const after = decodeHead(transition.text);
  const { kind } = outcome;
  const own =
    kind === 'error' || kind === 'timeout' || kind === 'locked' || kind === 'cancel' || (kind === 'rate-limited' && !outcome.retry);
  assert.equal(after.retries, Math.max(0, head.retries - (own ? 1 : 0)), 'only failures of its own spend retries');
  const isLapse = kind === 'crashed' && !outcome.alone;
  const isDeath = kind === 'crashed' && outcome.alone;
  assert.equal(after.lapses, Math.min(35, head.lapses + (isLapse ? 1 : 0)), 'a death beside others is a lapse');
  assert.equal(after.deaths, Math.min(35, head.deaths + (isDeath ? 1 : 0)), 'a death alone is a death');
  const hasRun = own || kind === 'retry' || kind === 'crashed' || kind === 'rate-limited';
  assert.equal(after.attempts, head.attempts + (hasRun ? 1 : 0), 'attempts count what ran');
  for (const key of ['id', 'name', 'priority', 'timeoutMs', 'expiresAt'] as const) assert.equal(after[key], head[key]);
  assert.equal(after.linked === true, head.linked === true);
  assert.equal(transition.at, kind === 'crashed' || kind === 'interrupted' || kind === 'not-started' ? 'head' : 'tail');
  const delayMs =
    kind === 'retry' || kind === 'postponed'
      ? outcome.delayMs
      : kind === 'rate-limited'
        ? hasDelay
          ? transition.delayMs
          : outcome.resetMs
        : own && hasDelay
          ? 2000
          : 0;
  if (kind === 'unknown-task') assert.ok(transition.delayMs >= 1000 && transition.delayMs <= 60_000, 'not at once, and not late');
  else assert.equal(transition.delayMs, delayMs);
  if (kind === 'interrupted' || kind === 'not-started' || kind === 'postponed') assert.equal(transition.text, text, 'uncharged');
}

describe('what becomes of a task, in every case there is', () => {
  it('keeps the promises', () => {
    let tried = 0;
    for (const one of cases()) {
      const text = textOf(one);
      const context = { now: NOW, resultTtlMs: HOUR_MS, intermediateErrors: one.intermediateErrors };
      const decision = decide(text, decodeMessage(text), one.outcome, context);
      try {
        check(one, text, decision);
      } catch (error) {
        const shown = JSON.stringify({ ...one, has: [...one.has], decision });
        throw new Error(`${(error as Error).message}\nin ${shown}`, { cause: error });
      }
      tried++;
    }
    assert.ok(tried > 100_000, `${tried} cases`);
  });
});
