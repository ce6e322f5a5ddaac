/**
 * What a running task says about itself: progress, which goes out at once but not too often, and lines of log, which
 * go out with its end. Both are for people: where the storage is away they are lost, and the task does not feel it.
 */
import { format } from 'node:util';
import { PayloadError } from '../runtime/errors.js';
import { encode } from '../runtime/serializer.js';
import type { NoteKind } from '../runtime/storage.js';

/** At most ten a second reach the storage. */
export const PROGRESS_INTERVAL_MS = 100;
export const PROGRESS_MAX_CHARS = 64 * 1024;
export const LOG_LINES_MAX = 100;
export const LOG_LINE_MAX_CHARS = 2000;

/** Where notes go. May reject; nobody is told. */
export type NoteSink = (kind: NoteKind, text: string) => Promise<unknown>;

/** Time, so that tests can move it. */
export interface NoteTimers {
  /** Monotonic, ms. */
  now(): number;
  /** Gives what cancels it. */
  after(ms: number, run: () => void): () => void;
}

const REAL_TIMERS: NoteTimers = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};

export class RunNotes {
  readonly #sink: NoteSink;
  readonly #timers: NoteTimers;
  readonly #sending = new Set<Promise<unknown>>();
  readonly #lines: string[] = [];
  #lastAt = -Infinity;
  /** Waits for its turn; a later one takes its place. */
  #pending: string | undefined;
  #cancelTimer: (() => void) | undefined;
  #ended = false;

  constructor(sink: NoteSink, timers: NoteTimers = REAL_TIMERS) {
    this.#sink = sink;
    this.#timers = timers;
  }

  /** @throws PayloadError where the value cannot be encoded, or is too large for something that is sent so often. */
  progress(value: unknown): void {
    const text = encode(value, 'progress');
    if (text.length > PROGRESS_MAX_CHARS) {
      throw new PayloadError(`progress takes ${text.length} characters; at most ${PROGRESS_MAX_CHARS} are allowed: tell less`);
    }
    if (this.#ended) return;
    // By the clock and not by the timer alone: in a loop that never awaits no timer fires.
    const waitMs = this.#lastAt + PROGRESS_INTERVAL_MS - this.#timers.now();
    if (waitMs <= 0) {
      this.#sendProgress(text);
      return;
    }
    this.#pending = text;
    this.#cancelTimer ??= this.#timers.after(waitMs, () => this.#flushProgress());
  }

  /** As console.log takes it. */
  log(args: readonly unknown[]): void {
    if (this.#ended) return;
    const text = format(...args);
    for (const line of text.split('\n')) this.#lines.push(line.slice(0, LOG_LINE_MAX_CHARS));
    if (this.#lines.length > LOG_LINES_MAX) this.#lines.splice(0, this.#lines.length - LOG_LINES_MAX);
  }

  /** Sends what is left. Never rejects. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#flushProgress();
    if (this.#lines.length > 0) this.#send('log', JSON.stringify(this.#lines));
    await Promise.all(this.#sending);
  }

  #flushProgress(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#pending !== undefined) this.#sendProgress(this.#pending);
  }

  #sendProgress(text: string): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#pending = undefined;
    this.#lastAt = this.#timers.now();
    this.#send('progress', text);
  }

  #send(kind: NoteKind, text: string): void {
    const sent: Promise<unknown> = this.#sink(kind, text)
      .catch(() => undefined)
      .finally(() => this.#sending.delete(sent));
    this.#sending.add(sent);
  }
}
