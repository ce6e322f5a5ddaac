/**
 * Runs one task in a thread: arguments in, function, result out as an outcome. Duties:
 *  1. the last look before the start: expired, unknown, unreadable;
 *  2. the context that `currentTask()` gives;
 *  3. whatever is thrown becomes an outcome; whatever is returned becomes a record, within its limits.
 */
import { runInTask } from '../api/context.js';
import { instantMs, type DateInput } from '../runtime/clock.js';
import { encodeRecord } from '../runtime/completion.js';
import { errorInfo } from '../runtime/error-data.js';
import {
  CancelExecution,
  MalformedMessage,
  PayloadError,
  RateLimitExceeded,
  RetryTask,
  TaskLocked,
  TaskTimeout,
} from '../runtime/errors.js';
import type { Outcome } from '../runtime/lifecycle.js';
import { END_MARKER_TTL_MS, RESULT_MAX_BYTES, SECOND_MS } from '../runtime/limits.js';
import { checkBody, isPlain, readHead, type Body, type Head } from '../runtime/message.js';
import { containsTags, decode, encode } from '../runtime/serializer.js';
import type { HueyCore } from '../runtime/worker-context.js';

/** How the thread learns that the supervisor has stopped a run. */
export interface StopView {
  stopped(): boolean;
  /** Registers the controller that fires on a stop; made only where the task asks for its signal. */
  onAbort(abort: (reason: Error) => void): void;
}

const MARKER_TTL_SECONDS = END_MARKER_TTL_MS / SECOND_MS;

export class TaskRunner {
  readonly #huey: HueyCore;
  readonly #ttlSeconds: number;

  constructor(huey: HueyCore) {
    this.#huey = huey;
    this.#ttlSeconds = Math.ceil(huey.settings.resultTtlMs / SECOND_MS);
  }

  /**
   * `parts` is a message as JSON.parse gave it. Never throws, never rejects; a promise only where the task gave one.
   * `failure` makes a promise that rejects where an error reaches the thread outside of any promise.
   */
  run(parts: unknown, stop: StopView, skewMs: number, failure: () => Promise<never>): Outcome | Promise<Outcome> {
    let started = false;
    try {
      if (!Array.isArray(parts) || typeof parts[0] !== 'string') throw new MalformedMessage('the message is not a list with a head');
      const text = parts[0];
      const head = readHead(text, -2);
      const body = checkBody(parts[1]);
      if (!isPlain(text, -2) && head.expiresAt > 0 && head.expiresAt <= storageNow(skewMs)) return { kind: 'expired' };
      const definition = this.#huey.registry.get(head.name);
      if (definition === undefined) return { kind: 'unknown-task' };
      const task = new RunningTask(head, body, stop);
      started = true;
      const value = runInTask(task, () => definition.fn(...body.args));
      if (!isThenable(value)) return this.#complete(value, body);
      return Promise.race([value, failure()]).then(
        (settled) => this.#complete(settled, body),
        (thrown: unknown) => afterThrow(thrown, skewMs),
      );
    } catch (thrown) {
      return started ? afterThrow(thrown, skewMs) : { kind: 'malformed', reason: errorInfo(thrown).message };
    }
  }

  #complete(value: unknown, body: Body): Outcome {
    const { results, storeNone } = this.#huey.settings;
    if (!results || body.result === false || body.tick !== undefined || ((value === undefined || value === null) && !storeNone)) {
      return { kind: 'complete', record: encodeRecord('done', ''), ttlSeconds: MARKER_TTL_SECONDS };
    }
    try {
      const payload = encode(value, 'result');
      if (payload.length > RESULT_MAX_BYTES || (payload.length * 3 > RESULT_MAX_BYTES && Buffer.byteLength(payload) > RESULT_MAX_BYTES)) {
        throw new PayloadError(
          `the result takes ${Buffer.byteLength(payload)} bytes, over the limit of ${RESULT_MAX_BYTES}; store it elsewhere and return where it is`,
        );
      }
      const ttlSeconds = body.resultTtlMs === undefined ? this.#ttlSeconds : Math.ceil(body.resultTtlMs / SECOND_MS);
      return { kind: 'complete', record: encodeRecord('done', payload), ttlSeconds };
    } catch (error) {
      return { kind: 'error', error: errorInfo(error) };
    }
  }
}

/** Parses a chunk: all at once, or, where one message is broken, each by itself. Unreadable ones are undefined. */
export function parseChunk(text: string, count: number, separator: string): unknown[] {
  let messages: unknown[] | undefined;
  try {
    messages = JSON.parse(`[${text}]`) as unknown[];
  } catch {
    // One of them is broken; found below.
  }
  if (messages === undefined || messages.length !== count) messages = text.split(separator).map(parseOne);
  if (containsTags(text)) for (const message of messages) reviveArguments(message);
  return messages;
}

function parseOne(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reviveArguments(message: unknown): void {
  if (!Array.isArray(message)) return;
  const body = message[1] as { args?: unknown } | null | undefined;
  if (typeof body !== 'object' || body === null || !Array.isArray(body.args)) return;
  try {
    body.args = decode(body.args);
  } catch {
    // Tags that mean nothing: the check of the body refuses what is no list.
    body.args = undefined;
  }
}

/** What `currentTask()` gives. Made for every run, so it holds only what was there anyway. */
class RunningTask {
  readonly #head: Head;
  readonly #body: Body;
  readonly #stop: StopView;
  readonly #startedAt = performance.timeOrigin + performance.now();
  #controller: AbortController | undefined;

  constructor(head: Head, body: Body, stop: StopView) {
    this.#head = head;
    this.#body = body;
    this.#stop = stop;
  }

  get id(): string {
    return this.#head.id;
  }

  get name(): string {
    return this.#head.name;
  }

  get attempt(): number {
    return this.#head.attempts + this.#head.lapses + 1;
  }

  get retries(): number {
    return this.#head.retries;
  }

  get meta(): Record<string, unknown> {
    return this.#body.meta ?? {};
  }

  get deadline(): Date | undefined {
    return this.#head.timeoutMs === 0 ? undefined : new Date(this.#startedAt + this.#head.timeoutMs);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#stop.stopped()) controller.abort(this.#stopError());
      else this.#stop.onAbort((reason) => controller.abort(reason));
    }
    return this.#controller.signal;
  }

  /** Made when it is asked for, so that it can be taken apart from the task and costs nothing where it is not used. */
  get checkTimeout(): () => void {
    return () => {
      if (this.#stop.stopped()) throw this.#stopError();
    };
  }

  #stopError(): Error {
    const { id, name, retries } = this.#head;
    return new TaskTimeout({ error: `task ${name} was stopped`, retries, taskId: id, willRetry: retries > 0 });
  }
}

function afterThrow(thrown: unknown, skewMs: number): Outcome {
  try {
    return readThrown(thrown, skewMs);
  } catch (error) {
    // Something whose own code throws when it is looked at.
    return { kind: 'error', error: errorInfo(error, 'error') };
  }
}

function readThrown(thrown: unknown, skewMs: number): Outcome {
  if (thrown instanceof CancelExecution) return { kind: 'cancel', retry: thrown.retry, reason: thrown.message };
  if (thrown instanceof RetryTask) {
    try {
      const delayMs = thrown.eta === undefined ? (thrown.delay ?? 0) * SECOND_MS : instantMs(thrown.eta as DateInput) - storageNow(skewMs);
      if (!Number.isFinite(delayMs)) throw new RangeError(`RetryTask: the delay is ${String(thrown.delay)}`);
      return { kind: 'retry', delayMs: Math.max(0, delayMs) };
    } catch (error) {
      return { kind: 'error', error: errorInfo(error) };
    }
  }
  return { kind: 'error', error: errorInfo(thrown, codeOf(thrown)) };
}

/** Why it failed, as a word of ours: the codes of other errors (ENOENT, or by chance 'timeout') mean something else. */
function codeOf(thrown: unknown): string {
  return thrown instanceof PayloadError || thrown instanceof TaskLocked || thrown instanceof RateLimitExceeded ? thrown.code : 'error';
}

function storageNow(skewMs: number): number {
  return Date.now() + skewMs;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
