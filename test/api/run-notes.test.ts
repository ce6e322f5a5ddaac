import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LOG_LINE_MAX_CHARS, LOG_LINES_MAX, PROGRESS_INTERVAL_MS, RunNotes, type NoteTimers } from '../../src/api/run-notes.js';

/** Time that a test moves. */
class HandTimers implements NoteTimers {
  #now = 0;
  readonly #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => void this.#timers.splice(this.#timers.indexOf(timer), 1);
  }

  /** Without timers, as in a loop that never awaits. */
  advance(ms: number): void {
    this.#now += ms;
  }

  fire(): void {
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) timer.run();
  }
}

function notes(): { notes: RunNotes; timers: HandTimers; sent: string[] } {
  const timers = new HandTimers();
  const sent: string[] = [];
  const sink = async (kind: string, text: string): Promise<void> => void sent.push(`${kind} ${text}`);
  return { notes: new RunNotes(sink, timers), timers, sent };
}

describe('progress', () => {
  it('goes out at once, then at most ten times a second, the newest', () => {
    const { notes: own, timers, sent } = notes();
    own.progress(1);
    own.progress(2);
    own.progress(3);
    assert.deepEqual(sent, ['progress 1']);
    timers.advance(PROGRESS_INTERVAL_MS);
    timers.fire();
    assert.deepEqual(sent, ['progress 1', 'progress 3']);
    timers.advance(PROGRESS_INTERVAL_MS);
    timers.fire();
    assert.deepEqual(sent, ['progress 1', 'progress 3']);
  });

  it('goes out from a loop in which no timer fires', () => {
    const { notes: own, timers, sent } = notes();
    for (let i = 0; i <= 30; i++) {
      own.progress(i);
      timers.advance(10);
    }
    assert.deepEqual(sent, ['progress 0', 'progress 10', 'progress 20', 'progress 30']);
  });

  it('goes out with the end, however soon that is, and then no more', async () => {
    const { notes: own, timers, sent } = notes();
    own.progress({ done: 1 });
    own.progress({ done: 2 });
    await own.end();
    own.progress({ done: 3 });
    timers.advance(PROGRESS_INTERVAL_MS);
    timers.fire();
    assert.deepEqual(sent, ['progress {"done":1}', 'progress {"done":2}']);
  });

  it('is refused where it cannot be stored', () => {
    const { notes: own } = notes();
    assert.throws(() => own.progress(() => undefined), { code: 'payload' });
    assert.throws(() => own.progress('x'.repeat(100_000)), { code: 'payload' });
  });
});

describe('log', () => {
  it('is put together as console.log does, and goes out with the end', async () => {
    const { notes: own, sent } = notes();
    own.log(['%d beans', 5, { of: 'us' }]);
    own.log(['two\nlines']);
    assert.deepEqual(sent, []);
    await own.end();
    assert.deepEqual(sent, [`log ${JSON.stringify(["5 beans { of: 'us' }", 'two', 'lines'])}`]);
  });

  it('keeps the last lines, and of a long one the beginning', async () => {
    const { notes: own, sent } = notes();
    for (let i = 0; i < LOG_LINES_MAX + 5; i++) own.log([i]);
    own.log(['x'.repeat(LOG_LINE_MAX_CHARS + 1)]);
    await own.end();
    const lines = JSON.parse((sent[0] ?? '').slice('log '.length)) as string[];
    assert.equal(lines.length, LOG_LINES_MAX);
    assert.equal(lines[0], '6');
    assert.equal(lines.at(-1)?.length, LOG_LINE_MAX_CHARS);
  });
});

describe('notes', () => {
  it('that cannot be kept disturb nobody', async () => {
    const own = new RunNotes(() => Promise.reject(new Error('away')));
    own.progress(1);
    own.log(['x']);
    await own.end();
  });
});
