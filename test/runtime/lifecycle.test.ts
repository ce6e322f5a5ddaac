import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeRecord } from '../../src/runtime/completion.js';
import { buryUnreadable, decide, retryDelayMs, type Decision, type ErrorInfo, type Outcome } from '../../src/runtime/lifecycle.js';
import {
  DEATHS_MAX,
  DELAY_MAX_MS,
  HOUR_MS,
  MESSAGE_MAX_BYTES,
  MINUTE_MS,
  RETRY_DELAY_MAX_MS,
  SECOND_MS,
} from '../../src/runtime/limits.js';
import { decodeHead, decodeMessage, encodeMessage, type Head } from '../../src/runtime/message.js';
import { dueAtOf } from '../../src/runtime/run-accounts.js';
import type { Transition } from '../../src/runtime/storage.js';
import { checkTransition } from '../../src/runtime/storage/checks.js';
import { randomSeed } from '../support/seed.js';

const NOW = 1_700_000_000_000;
const CONTEXT = { now: NOW, resultTtlMs: HOUR_MS };
const ERROR: ErrorInfo = { name: 'TypeError', message: 'no such bean', code: 'error', stack: 'TypeError: no such bean\n    at count' };
/** Written as no serializer would: whoever parses it and writes it again gives other bytes. */
const AWKWARD_BODY = '{"args":[1.0,1e2,12345678901234567890,"\\u00fc"],  "at":1,"x":{"b":1,"a":2},"x":3}';

const HEAD: Head = { id: 'a', name: 'count', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

const COMPLETE: Outcome = { kind: 'complete', record: 'd42', ttlSeconds: 60 };
const OUTCOMES: Record<Outcome['kind'], Outcome[]> = {
  complete: [COMPLETE],
  error: [{ kind: 'error', error: ERROR }],
  retry: [
    { kind: 'retry', delayMs: 0 },
    { kind: 'retry', delayMs: 5000 },
  ],
  cancel: [
    { kind: 'cancel', retry: undefined, reason: 'enough' },
    { kind: 'cancel', retry: true, reason: 'enough' },
    { kind: 'cancel', retry: false, reason: 'enough' },
  ],
  locked: [{ kind: 'locked', error: { ...ERROR, code: 'locked' } }],
  'rate-limited': [
    { kind: 'rate-limited', error: { ...ERROR, code: 'rate-limited' }, resetMs: 5000, retry: true },
    { kind: 'rate-limited', error: { ...ERROR, code: 'rate-limited' }, resetMs: 5000, retry: false },
  ],
  'unknown-task': [{ kind: 'unknown-task' }],
  malformed: [{ kind: 'malformed', reason: 'no list' }],
  expired: [{ kind: 'expired' }],
  revoked: [{ kind: 'revoked' }],
  timeout: [{ kind: 'timeout', error: { ...ERROR, code: 'timeout' } }],
  dead: [{ kind: 'dead', reason: 'too often' }],
  crashed: [
    { kind: 'crashed', alone: true, reason: 'exit' },
    { kind: 'crashed', alone: false, reason: 'exit' },
  ],
  interrupted: [{ kind: 'interrupted' }],
  'not-started': [{ kind: 'not-started' }],
  postponed: [{ kind: 'postponed', delayMs: 5000 }],
};
const ALL_OUTCOMES = Object.values(OUTCOMES).flat();

function text(head: Partial<Head> = {}, body: object | string = {}): string {
  return encodeMessage({ ...HEAD, ...head }, typeof body === 'string' ? body : JSON.stringify({ args: [], at: 1, ...body }));
}

function decideOn(message: string, outcome: Outcome, context = CONTEXT): Decision {
  return decide(message, decodeMessage(message), outcome, context);
}

function bodyOf(message: string): string {
  return message.slice(message.indexOf('",') + 2, -1);
}

function requeued(decision: Decision): Extract<Transition, { kind: 'requeue' }> & { head: Head } {
  assert.equal(decision.transition.kind, 'requeue');
  return { ...decision.transition, head: decodeHead(decision.transition.text) };
}

function settled({ transition }: Decision): { state: string; payload: string; ttlSeconds: number } {
  assert.equal(transition.kind, 'settle');
  return { ...decodeRecord(transition.record), ttlSeconds: transition.ttlSeconds };
}

describe('what becomes of a task', () => {
  it('is one transition of that task that every storage takes, whatever the outcome and whatever the task', () => {
    let cases = 0;
    for (const outcome of ALL_OUTCOMES) {
      for (const retries of [0, 2]) {
        for (const [lapses, deaths] of [
          [0, 0],
          [1, 0],
          [2, DEATHS_MAX],
          [35, 35],
        ] as const) {
          for (const priority of [-4000, 0, 7]) {
            for (const expiresAt of [0, NOW - 1, NOW + HOUR_MS]) {
              for (const body of [{}, { retries: 2, retryDelayMs: 1001, retryBackoff: 1.5 }]) {
                const message = text({ retries, lapses, deaths, priority, expiresAt }, body);
                const { transition } = decideOn(message, outcome);
                assert.equal(transition.id, 'a');
                checkTransition(transition);
                if (transition.kind !== 'settle') {
                  const head = decodeHead(transition.text);
                  assert.deepEqual([head.id, head.name, head.priority, head.expiresAt], ['a', 'count', priority, expiresAt]);
                }
                cases += 1;
              }
            }
          }
        }
      }
    }
    assert.equal(cases, ALL_OUTCOMES.length * 2 * 4 * 3 * 3 * 2);
  });

  for (const outcome of ALL_OUTCOMES) {
    it(`leaves the body byte for byte: ${JSON.stringify(outcome).slice(0, 60)}`, () => {
      const { transition } = decideOn(text({ retries: 2 }, AWKWARD_BODY), outcome);
      if (transition.kind === 'settle') return;
      const { text: kept } = transition;
      // What the runtime notes stands behind the body.
      if (/"(unknownSince|retryAt)":\d+\}\]$/.test(kept)) assert.ok(kept.includes(`",${AWKWARD_BODY},{"`), kept);
      else assert.equal(bodyOf(kept), AWKWARD_BODY);
    });
  }

  it('keeps a body and its notes through many looks of consumers that do not know the task', () => {
    let message = text({}, AWKWARD_BODY);
    for (let seconds = 0; seconds < 5; seconds++) {
      message = requeued(decideOn(message, { kind: 'unknown-task' }, { ...CONTEXT, now: NOW + seconds * SECOND_MS })).text;
      assert.ok(message.endsWith(`",${AWKWARD_BODY},{"unknownSince":${NOW}}]`), message);
    }
  });

  it('tells a chord of a failure whose handler has no room for the error', () => {
    const full = { head: text({ id: 'handler' }).slice(2).split('"')[0], body: { args: ['x'.repeat(MESSAGE_MAX_BYTES - 100)], at: 1 } };
    const message = text({ linked: true }, { onError: full, chord: { id: 'chord', index: 2 } });
    const { transition } = decideOn(message, { kind: 'error', error: ERROR });
    assert.ok(transition.kind === 'settle');
    assert.deepEqual([transition.effects?.chord?.id, transition.effects?.enqueue], ['chord', undefined]);
  });

  it('never throws on a message that can be read', (t) => {
    const heads = fc.record({
      id: fc.stringMatching(/^[!#-[\]-~]{1,128}$/),
      name: fc.stringMatching(/^[ !#-[\]-~]{1,50}$/),
      attempts: fc.nat(36 ** 4 - 1),
      retries: fc.nat(36 ** 4 - 1),
      lapses: fc.nat(35),
      deaths: fc.nat(35),
      priority: fc.integer({ min: -4000, max: 4000 }),
      timeoutMs: fc.nat(10 ** 9),
      expiresAt: fc.nat(9_999_999_999_999),
    });
    // A body comes from outside: what is not a list of arguments was never checked.
    const anything = fc.oneof(fc.jsonValue(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(-1));
    const bodies = fc.record(
      { args: fc.array(fc.jsonValue()), at: fc.nat(), retries: anything, retryDelayMs: anything, retryBackoff: anything, extra: anything },
      { requiredKeys: ['args', 'at'] },
    );
    fc.assert(
      fc.property(heads, bodies, fc.constantFrom(...ALL_OUTCOMES), fc.nat(), (head, body, outcome, resultTtlMs) => {
        const message = text(head, body);
        const { transition, signal } = decideOn(message, outcome, { now: NOW, resultTtlMs });
        assert.equal(transition.id, head.id);
        assert.ok(signal.length > 0);
        checkTransition(transition);
      }),
      { seed: randomSeed(t), numRuns: 500 },
    );
  });
});

describe('a task that fails', () => {
  it('is tried again at the tail while it has retries, one spent, its attempt counted', () => {
    for (const kind of ['error', 'timeout'] as const) {
      const decision = decideOn(text({ retries: 2, attempts: 4 }), { kind, error: ERROR });
      const { head, delayMs, at } = requeued(decision);
      assert.deepEqual([head.retries, head.attempts, delayMs, at], [1, 5, 0, 'tail']);
      assert.equal(decision.signal, 'retrying');
    }
  });

  it('fails for good without retries, and says what was thrown', () => {
    const decision = decideOn(text(), { kind: 'error', error: ERROR });
    const { state, payload, ttlSeconds } = settled(decision);
    assert.deepEqual([state, ttlSeconds, decision.signal], ['failed', 3600, 'error']);
    assert.deepEqual(JSON.parse(payload), {
      code: 'error',
      error: 'TypeError: no such bean',
      name: 'TypeError',
      message: 'no such bean',
      retries: 0,
      taskId: 'a',
      willRetry: false,
      traceback: ERROR.stack,
    });
  });

  it('that ran over its timeout fails as that', () => {
    const decision = decideOn(text(), { kind: 'timeout', error: { ...ERROR, code: 'timeout' } });
    assert.equal(decision.signal, 'timeout');
    assert.equal((JSON.parse(settled(decision).payload) as { code: string }).code, 'timeout');
  });

  it('waits the delay of its task, longer by the backoff at each retry, a day at most', () => {
    const body = { retries: 3, retryDelayMs: 1000, retryBackoff: 3 };
    const delays = [3, 2, 1].map((retries) => requeued(decideOn(text({ retries }, body), { kind: 'error', error: ERROR })).delayMs);
    assert.deepEqual(delays, [1000, 3000, 9000]);
    const steep = decodeMessage(text({ retries: 1 }, { retries: 40, retryDelayMs: 1000, retryBackoff: 1000 }));
    assert.equal(retryDelayMs(steep), RETRY_DELAY_MAX_MS);
  });

  it('carries from when on it waits for its next try, and nothing but the last of it', () => {
    const body = { retries: 3, retryDelayMs: 1000, retryBackoff: 3 };
    let message = text({ retries: 3 }, body);
    assert.equal(dueAtOf(decodeHead(message), body as never, undefined), undefined);
    for (const [outcome, dueInMs] of [
      [{ kind: 'error', error: ERROR }, 1000],
      [{ kind: 'error', error: ERROR }, 3000],
      [{ kind: 'retry', delayMs: 50 }, 50],
      [{ kind: 'crashed', alone: true, reason: 'exit' }, 0],
      [{ kind: 'interrupted' }, 0],
    ] as const) {
      message = requeued(decideOn(message, outcome)).text;
      const { head, notes } = decodeMessage(message);
      assert.equal(dueAtOf(head, body as never, notes), NOW + dueInMs, outcome.kind);
      assert.deepEqual(Object.keys(notes), ['retryAt']);
    }
    assert.equal(dueAtOf({ ...HEAD, attempts: 1 }, body as never, { retryAt: 'soon' }), undefined, 'it comes from outside');
  });

  it('whose body says nonsense about the wait is tried again at once', () => {
    for (const nonsense of ['soon', null, -5, {}, [1, 2], [{ toString: 0 }]]) {
      const message = text({ retries: 1 }, { retries: 1, retryDelayMs: nonsense, retryBackoff: nonsense });
      assert.equal(requeued(decideOn(message, { kind: 'error', error: ERROR })).delayMs, 0, JSON.stringify(nonsense));
    }
  });
});

describe('a task that asks for something', () => {
  it('is run again after the wait that it asked for, no retry spent', () => {
    const { head, delayMs, at } = requeued(decideOn(text({ retries: 2 }), { kind: 'retry', delayMs: 5000 }));
    assert.deepEqual([head.retries, head.attempts, delayMs, at], [2, 1, 5000, 'tail']);
  });

  it('waits a hundred years at most', () => {
    assert.equal(requeued(decideOn(text(), { kind: 'retry', delayMs: 1e300 })).delayMs, DELAY_MAX_MS);
  });

  it('is canceled for good without retries, or where it says so', () => {
    for (const [retries, retry] of [
      [0, undefined],
      [0, false],
      [2, false],
    ] as const) {
      const decision = decideOn(text({ retries }), { kind: 'cancel', retry, reason: 'enough' });
      const { state, payload } = settled(decision);
      assert.deepEqual([state, payload, decision.signal], ['canceled', '{"reason":"enough"}', 'canceled']);
    }
  });

  it('is tried again where retries remain, or at least once more where it says so', () => {
    for (const [retries, retry, left] of [
      [2, undefined, 1],
      [2, true, 1],
      [0, true, 0],
    ] as const) {
      const { head } = requeued(decideOn(text({ retries }), { kind: 'cancel', retry, reason: 'enough' }));
      assert.deepEqual([head.retries, head.attempts], [left, 1]);
    }
  });
});

describe('a task over its rate limit', () => {
  const over = (retry: boolean): Outcome => ({ kind: 'rate-limited', error: { ...ERROR, code: 'rate-limited' }, resetMs: 5000, retry });

  it('waits for the end of the window, or its own delay, and no retry is spent', () => {
    for (const retries of [0, 2]) {
      const { head, delayMs } = requeued(decideOn(text({ retries }), over(true)));
      assert.deepEqual([head.retries, head.attempts, delayMs], [retries, 1, 5000]);
    }
    assert.equal(requeued(decideOn(text({}, { retryDelayMs: 700 }), over(true))).delayMs, 700);
  });

  it('spends a retry where it says so, and fails without one', () => {
    const { head, delayMs } = requeued(decideOn(text({ retries: 2 }), over(false)));
    assert.deepEqual([head.retries, head.attempts, delayMs], [1, 1, 5000]);
    assert.equal(settled(decideOn(text(), over(false))).state, 'failed');
  });
});

describe('a task whose thread died', () => {
  it('is charged with the death where it ran alone, and dead after more than three', () => {
    let message = text();
    for (let deaths = 1; deaths <= DEATHS_MAX; deaths++) {
      const decision = decideOn(message, { kind: 'crashed', alone: true, reason: 'exit 7' });
      const { head, at, delayMs } = requeued(decision);
      assert.deepEqual([head.deaths, head.lapses, head.attempts, at, delayMs], [deaths, 0, deaths, 'head', 0]);
      assert.equal(decision.signal, 'crashed');
      message = text(head);
    }
    const { transition, signal } = decideOn(message, { kind: 'crashed', alone: true, reason: 'exit 7' });
    assert.equal(signal, 'dead');
    assert.equal(transition.kind, 'bury');
    assert.match(transition.reason, /died 4 times: exit 7/);
    assert.deepEqual(decodeRecord(transition.record).state, 'dead');
  });

  it('is only a suspect where others ran beside it, and never dead of that', () => {
    let head = HEAD;
    for (let lapses = 1; lapses <= 50; lapses++) {
      head = requeued(decideOn(text(head), { kind: 'crashed', alone: false, reason: 'exit' })).head;
      assert.deepEqual([head.lapses, head.deaths], [Math.min(lapses, 35), 0]);
    }
  });

  it('spends none of its retries', () => {
    for (const alone of [true, false]) {
      assert.equal(requeued(decideOn(text({ retries: 2 }), { kind: 'crashed', alone, reason: 'exit' })).head.retries, 2);
    }
  });
});

describe('a task that was not run to its end', () => {
  it('goes back to the head as it was, uncharged', () => {
    for (const kind of ['interrupted', 'not-started'] as const) {
      const message = text({ retries: 1, lapses: 1, attempts: 3 }, AWKWARD_BODY);
      const { text: back, at, delayMs } = requeued(decideOn(message, { kind }));
      assert.deepEqual([back, at, delayMs], [message, 'head', 0]);
    }
  });

  it('because nobody knows it waits longer and longer, and is dead after an hour', () => {
    const first = requeued(decideOn(text(), { kind: 'unknown-task' }));
    assert.equal(first.delayMs, SECOND_MS);
    const waitAt = (ms: number): Decision => decideOn(first.text, { kind: 'unknown-task' }, { ...CONTEXT, now: NOW + ms });
    assert.deepEqual(
      [10, 600, 3599].map((seconds) => requeued(waitAt(seconds * SECOND_MS)).delayMs),
      [10 * SECOND_MS, MINUTE_MS, MINUTE_MS],
    );
    assert.equal(requeued(waitAt(5000)).head.attempts, 0);
    const { transition, signal } = waitAt(HOUR_MS);
    assert.deepEqual([transition.kind, signal], ['bury', 'dead']);
  });

  it('is settled as what it is where it expired or was revoked', () => {
    for (const kind of ['expired', 'revoked'] as const)
      assert.deepEqual(settled(decideOn(text({ retries: 2 }), { kind })), { state: kind, payload: '', ttlSeconds: 600 });
  });
});

describe('bytes that are no message', () => {
  it('are put aside as they are', () => {
    const raw = `${text().slice(0, -1)},`;
    const { transition, signal } = buryUnreadable(raw, 'the message is not JSON');
    assert.equal(signal, 'dead');
    assert.equal(transition.kind, 'bury');
    assert.deepEqual([transition.id, transition.text, transition.reason], ['a', raw, 'the message is not JSON']);
  });

  it('with a readable head and a broken wish are put aside too', () => {
    const { transition } = decideOn(text({}, AWKWARD_BODY), { kind: 'malformed', reason: 'no list' });
    assert.deepEqual([transition.kind, 'text' in transition && bodyOf(transition.text)], ['bury', AWKWARD_BODY]);
  });
});

describe('a task that completed', () => {
  it('is settled with the record of its thread, unread', () => {
    assert.deepEqual(decideOn(text({ retries: 2 }), COMPLETE), {
      transition: { kind: 'settle', id: 'a', record: 'd42', ttlSeconds: 60 },
      signal: 'complete',
    });
  });
});
