/**
 * Rate limits: at most so many calls of a name in a window, across all processes of a queue. The window is fixed and
 * begins with the first call in it, by the storage's clock.
 */
import type { DurationInput } from '../runtime/clock.js';
import { RateLimitReached } from '../runtime/errors.js';
import { DAY_MS, SECOND_MS } from '../runtime/limits.js';
import type { RateReply } from '../runtime/storage.js';
import { checkAroundName, named, refusalMetadata, type Around } from './around.js';
import type { Client } from './client.js';
import { currentRun } from './context.js';
import { booleanOption, checkKeys, durationOption, integerOption } from './option-check.js';

export interface RateLimitOptions {
  /** Calls in a window. */
  limit: number;
  /** The length of the window: seconds or a luxon Duration, at most a day. */
  per: DurationInput;
  /** A task that is refused is tried again when the window has ended, and no retry is spent. Default true. */
  retry?: boolean;
}

/** A call that was counted. It stays counted: disposing of it does nothing. */
export interface CountedCall extends AsyncDisposable {
  /** Calls in the window, with this one. */
  readonly usage: number;
  /** Seconds until the window ends. */
  readonly reset: number;
}

const LIMIT_MAX = 1_000_000_000;
const KEYS = ['limit', 'per', 'retry'] as const satisfies (keyof RateLimitOptions)[];

export class RateLimit implements Around {
  readonly name: string;
  readonly #client: Client;
  readonly #limit: number;
  readonly #perMs: number;
  readonly #retry: boolean;

  /** @throws ConfigurationError */
  constructor(client: Client, name: string, options: RateLimitOptions) {
    this.#client = client;
    this.name = checkAroundName(name, 'a rate limit');
    checkKeys(options, KEYS, `the rate limit ${this.name}`);
    this.#limit = integerOption(options.limit, 'limit', 1, LIMIT_MAX);
    this.#perMs = durationOption(options.per, 'per', 1, DAY_MS);
    this.#retry = options.retry === undefined || booleanOption(options.retry, 'retry');
  }

  /** Counts a call. @throws RateLimitReached */
  async acquire(): Promise<CountedCall> {
    const { allowed, usage, resetMs } = await this.#ask(true);
    if (!allowed) throw new RateLimitReached(this.name, resetMs, this.#retry, refusalMetadata(currentRun()));
    return { usage, reset: resetMs / SECOND_MS, [Symbol.asyncDispose]: () => Promise.resolve() };
  }

  /** Counts a call and makes it. @throws RateLimitReached, and what `fn` throws. */
  async run<T>(fn: () => T): Promise<Awaited<T>> {
    await this.acquire();
    return await fn();
  }

  /** The function whose calls are counted, under its own name. Python: `@huey.rate_limit(...)`. */
  wrap<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => Promise<Awaited<R>> {
    return named(fn, (...args: A) => this.run(() => fn(...args)));
  }

  /** Ends the window: the next call begins a new one. */
  reset(): Promise<void> {
    return this.#client.call((storage) => storage.resetRate(this.name));
  }

  /** Calls in the window. Only looks. */
  async currentUsage(): Promise<number> {
    return (await this.#ask(false)).usage;
  }

  #ask(count: boolean): Promise<RateReply> {
    return this.#client.call((storage) => storage.rateLimit(this.name, this.#limit, this.#perMs, count));
  }
}
