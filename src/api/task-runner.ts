/**
 * Runs one task in a thread: arguments in, function, result out as an outcome. Duties:
 *  1. the last look before the start: expired, unknown, unreadable;
 *  2. the context that `currentTask()` gives, and the hooks around the function;
 *  3. whatever is thrown becomes an outcome; whatever is returned becomes a record, within its limits.
 */
import { durationMs, instantMs } from '../runtime/clock.js';
import { encodeRecord } from '../runtime/completion.js';
import { errorInfo, fromErrorData } from '../runtime/error-data.js';
import {
  CancelExecution,
  LockUnavailable,
  MalformedMessage,
  PayloadError,
  RateLimitReached,
  RetryTask,
  StorageUnavailable,
} from '../runtime/errors.js';
import type { Outcome } from '../runtime/lifecycle.js';
import { END_MARKER_TTL_MS, RESULT_MAX_BYTES, SECOND_MS } from '../runtime/limits.js';
import { nextItem, withList } from '../runtime/links.js';
import { checkBody, isPlain, readHead, type Body, type Head } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { AnyFunction } from '../runtime/registry.js';
import { dueAtOf, type RunFigures } from '../runtime/run-accounts.js';
import { containsTags, decode, decodeText } from '../runtime/serializer.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { threadCpuMs } from '../runtime/thread-cpu.js';
import { workerContext, type HueyCore } from '../runtime/worker-context.js';
import { runInTask } from './context.js';
import { taskEvent } from './event.js';
import { EventPublisher } from './events.js';
import { RunningTask, type RunOwner, type RunSurroundings } from './running-task.js';

export interface RunnerOptions {
  /** Keeps the notes of running tasks. Default: the storage of this worker thread. */
  storage?: ProducerStorage;
  /** Whose leases the tasks are, where no supervisor fills it in. */
  consumer?: string;
}

/** Codes of failures that are outcomes of their own. */
const OTHER_ENDS: ReadonlySet<string> = new Set(['timeout', 'locked', 'rate-limited'] satisfies Outcome['kind'][]);
const MARKER_TTL_SECONDS = END_MARKER_TTL_MS / SECOND_MS;

export class TaskRunner {
  readonly #huey: HueyCore;
  readonly #surroundings: RunSurroundings;
  readonly #storage: ProducerStorage | undefined;

  constructor(huey: HueyCore, { storage, consumer = '' }: RunnerOptions = {}) {
    this.#huey = huey;
    const notes = storage ?? workerContext()?.storage;
    this.#storage = notes;
    const events = notes === undefined ? undefined : new EventPublisher(notes);
    this.#surroundings = {
      queue: huey.name,
      consumer,
      noteSink: (head, body) => async (kind, text) => {
        if (kind === 'progress') events?.publish(() => taskEvent(kind, { head, body }, Date.now(), { value: decodeText(text) }));
        await notes?.setNote(head.id, kind, text, this.#ttlSeconds(body));
      },
    };
  }

  /**
   * `parts` is a message as JSON.parse gave it. Never throws, never rejects; a promise only where the task gave one.
   */
  run(parts: unknown, owner: RunOwner, skewMs: number): Outcome | Promise<Outcome> {
    try {
      if (!Array.isArray(parts) || typeof parts[0] !== 'string') throw new MalformedMessage('the message is not a list with a head');
      const text = parts[0];
      const head = readHead(text, -2);
      const body = this.#open(head, parts[1]);
      owner.dueAt = dueAtOf(head, body, parts[2]);
      if (!isPlain(text, -2) && head.expiresAt > 0 && head.expiresAt <= storageNow(skewMs)) return { kind: 'expired' };
      const definition = this.#huey.registry.get(head.name);
      if (definition === undefined) return { kind: 'unknown-task' };
      const task = new RunningTask(head, body, owner, this.#surroundings);
      if (body.collect === undefined) return this.#call(definition.fn, task, body, skewMs, owner);
      return this.#collected(body, body.collect).then(
        (withIts) => this.#call(definition.fn, task, withIts, skewMs, owner),
        // The function has not started, and what it waits for is still there.
        (thrown: unknown) => (thrown instanceof StorageUnavailable ? { kind: 'not-started' } : afterThrow(thrown, skewMs)),
      );
    } catch (thrown) {
      return afterThrow(thrown, skewMs);
    }
  }

  #open(head: Head, part: unknown): Body {
    const { codec } = this.#huey;
    if (codec.isPlain) return checkBody(part);
    const body = codec.decodeBody(head.id, head.name, part);
    return { ...body, args: codec.decodeArgs(body.args) };
  }

  /** The callback of a chord is given what its members left, in their order; null for those that left nothing. */
  async #collected(body: Body, chord: string): Promise<Body> {
    const values = (await this.#storage?.readChord(chord)) ?? [];
    const list = values.map((value) => (value === undefined ? null : this.#huey.codec.decodeValue(value)));
    return { ...body, args: withList(body.args, list) };
  }

  #call(fn: AnyFunction, task: RunningTask, body: Body, skewMs: number, owner: RunOwner): Outcome | Promise<Outcome> {
    if (this.#huey.hooks.around) {
      return runInTask(task, () => this.#callAround(fn, task, body, skewMs, owner)).then((outcome) => task.ended(outcome));
    }
    try {
      const value = runInTask(task, () => fn(...body.args));
      if (!isThenable(value)) return task.ended(this.#complete(value, body));
      return Promise.race([value, owner.failure()]).then(
        (settled) => task.ended(this.#complete(settled, body)),
        (thrown: unknown) => task.ended(afterThrow(thrown, skewMs)),
      );
    } catch (thrown) {
      return task.ended(afterThrow(thrown, skewMs));
    }
  }

  /** With what the module has registered around its functions. */
  async #callAround(fn: AnyFunction, task: RunningTask, body: Body, skewMs: number, owner: RunOwner): Promise<Outcome> {
    const { hooks } = this.#huey;
    const seen = task.forHooks();
    await hooks.emit('executing', seen);
    try {
      await hooks.runPre(seen);
    } catch (thrown) {
      // As in Huey: no retry, whatever it says, and no hook behind.
      return { kind: 'cancel', retry: false, reason: errorInfo(thrown).message };
    }
    let value: unknown;
    let error: unknown;
    let outcome: Outcome;
    const figures = hooks.hasPost ? startFigures(skewMs) : undefined;
    try {
      value = await Promise.race([fn(...body.args), owner.failure()]);
      outcome = this.#complete(value, body);
      if (outcome.kind === 'error') error = fromErrorData(outcome.error);
    } catch (thrown) {
      // Something to see also where null was thrown.
      error = thrown instanceof Error ? thrown : fromErrorData(errorInfo(thrown));
      outcome = afterThrow(thrown, skewMs);
    }
    if (figures !== undefined)
      await hooks.runPost({ ...seen, accounts: task.accounts(figures(owner, owner.shared !== true)) }, value, error);
    return outcome;
  }

  #complete(value: unknown, body: Body): Outcome {
    const { results, storeNone } = this.#huey.settings;
    if (!results || body.result === false || body.tick !== undefined || ((value === undefined || value === null) && !storeNone)) {
      return this.#withLinks({ kind: 'complete', record: encodeRecord('done', ''), ttlSeconds: MARKER_TTL_SECONDS }, value, body);
    }
    try {
      const payload = this.#huey.codec.encodeValue(value, 'result');
      if (payload.length > RESULT_MAX_BYTES || (payload.length * 3 > RESULT_MAX_BYTES && Buffer.byteLength(payload) > RESULT_MAX_BYTES)) {
        throw new PayloadError(
          `the result takes ${Buffer.byteLength(payload)} bytes, over the limit of ${RESULT_MAX_BYTES}; store it elsewhere and return where it is`,
        );
      }
      return this.#withLinks({ kind: 'complete', record: encodeRecord('done', payload), ttlSeconds: this.#ttlSeconds(body) }, value, body);
    } catch (error) {
      return { kind: 'error', error: errorInfo(error) };
    }
  }

  /** What it hands on: to the next stage, or to its chord. */
  #withLinks(outcome: Extract<Outcome, { kind: 'complete' }>, value: unknown, body: Body): Outcome {
    const { codec } = this.#huey;
    try {
      if (body.next !== undefined) return { ...outcome, next: nextItem(body.next, value, codec) };
      if (body.chord !== undefined) return { ...outcome, contribution: codec.encodeValue(value ?? null, 'result') };
      return outcome;
    } catch (error) {
      return { kind: 'error', error: errorInfo(error) };
    }
  }

  #ttlSeconds(body: Body): number {
    return Math.ceil((body.resultTtlMs ?? this.#huey.settings.resultTtlMs) / SECOND_MS);
  }
}

/** Looks at the clocks of a run that starts now; what it gives looks again. `alone`: nothing else ran in the thread meanwhile. */
export function startFigures(skewMs: number): (owner: Pick<RunOwner, 'dueAt'>, alone: boolean) => RunFigures {
  const startedAt = performance.now();
  const storageStartedAt = storageNow(skewMs);
  const cpuAtStart = threadCpuMs();
  return ({ dueAt }, alone) => {
    const cpuNow = alone && cpuAtStart !== undefined ? threadCpuMs() : undefined;
    return {
      wallMs: performance.now() - startedAt,
      ...(cpuAtStart === undefined || cpuNow === undefined ? {} : { cpuMs: cpuNow - cpuAtStart }),
      ...(dueAt === undefined ? {} : { waitMs: Math.max(0, storageStartedAt - dueAt) }),
    };
  };
}

/**
 * Gives what parses the messages of a chunk by their place in it, each by itself; unreadable ones are undefined. All at once would be
 * 0.2 µs a message quicker, but two broken ones could then read as two others: one that leaves a list open, and one that closes it and
 * opens the next. And each when its turn comes: what was parsed ahead would outlive the engine's first look for garbage.
 */
export function chunkParser(text: string, count: number, separator: string, codec: PayloadCodec): (slot: number) => unknown {
  const texts = count === 1 ? [text] : text.split(separator);
  const revives = codec.isPlain && containsTags(text);
  return (slot) => {
    const message = parseOne(texts[slot] ?? '');
    if (revives) reviveArguments(message);
    return message;
  };
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

function afterThrow(thrown: unknown, skewMs: number): Outcome {
  if (thrown instanceof MalformedMessage) return { kind: 'malformed', reason: thrown.message };
  if (thrown instanceof LockUnavailable) return { kind: 'locked', error: errorInfo(thrown) };
  if (thrown instanceof RateLimitReached) {
    return { kind: 'rate-limited', error: errorInfo(thrown), resetMs: thrown.resetMs, retry: thrown.retry };
  }
  if (thrown instanceof CancelExecution) return { kind: 'cancel', retry: thrown.retry, reason: thrown.message };
  if (thrown instanceof RetryTask) {
    try {
      const { delay = 0, eta } = thrown;
      return {
        kind: 'retry',
        delayMs:
          eta === undefined
            ? durationMs(typeof delay === 'number' ? Math.max(0, delay) : delay, 'delay of RetryTask')
            : Math.max(0, instantMs(eta) - storageNow(skewMs)),
      };
    } catch (error) {
      return { kind: 'error', error: errorInfo(error) };
    }
  }
  const error = errorInfo(thrown);
  // How another task ended, for which this one waited, is not how this one ended.
  return { kind: 'error', error: OTHER_ENDS.has(error.code) ? { ...error, code: 'error' } : error };
}

function storageNow(skewMs: number): number {
  return Date.now() + skewMs;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
