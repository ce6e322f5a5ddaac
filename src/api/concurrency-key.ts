/** The options `concurrencyKey` and `concurrencyLimit`: at most so many calls with the same key run at once, over all consumers. */
import { ConfigurationError } from '../runtime/errors.js';
import { CONCURRENCY_KEY_MAX_CHARS, CONCURRENCY_MAX } from '../runtime/limits.js';
import type { Slot } from '../runtime/message.js';
import { integerOption } from './option-check.js';

/** The key of every call, or what makes it of the arguments; undefined: this call has none. */
export type ConcurrencyKey<A extends readonly unknown[] = never[]> = string | KeyMaker<A>['make'];

/** As a method, so that options of tasks with whatever arguments fit where any task's do. */
interface KeyMaker<A extends readonly unknown[]> {
  make(...args: A): string | undefined;
}

/** Validated. */
export interface KeyRule {
  readonly key: string | ((...args: readonly unknown[]) => unknown);
  readonly limit: number;
}

/** As people write them. */
interface KeyOptions {
  concurrencyKey?: ConcurrencyKey | false | undefined;
  concurrencyLimit?: number | undefined;
}

/** `base` is what the task says, for a call of it. @throws ConfigurationError */
export function keyRule({ concurrencyKey, concurrencyLimit }: KeyOptions, base: KeyRule | undefined, what: string): KeyRule | undefined {
  const limit = concurrencyLimit === undefined ? base?.limit : integerOption(concurrencyLimit, 'concurrencyLimit', 1, CONCURRENCY_MAX);
  if (concurrencyKey === false) return undefined;
  const key = concurrencyKey ?? base?.key;
  if (key === undefined) {
    if (concurrencyLimit === undefined) return undefined;
    throw wrong(what, 'concurrencyLimit counts calls with the same concurrencyKey; give both (concurrency limits a task in one consumer)');
  }
  if (typeof key !== 'function') checkKey(key, what);
  return { key: key as KeyRule['key'], limit: limit ?? 1 };
}

/** What one call needs to be leased; `args` as it was made. @throws ConfigurationError */
export function slotOf({ key, limit }: KeyRule, args: readonly unknown[], what: string): Slot | undefined {
  const text = typeof key === 'function' ? key(...args) : key;
  return text === undefined ? undefined : { key: slotKey(checkKey(text, what)), limit };
}

/** As it is written in the head of a message: printable ASCII without blanks, quotes and backslashes. */
function slotKey(text: string): string {
  // A half of a pair, which cannot be encoded, is as good as any other.
  const whole = text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
  const written = whole.replaceAll(/[^!$&-[\]-~]/gu, encodeURIComponent);
  if (written.length <= CONCURRENCY_KEY_MAX_CHARS) return written;
  return `#${process.getBuiltinModule('node:crypto').createHash('sha256').update(whole).digest('base64url')}`;
}

function checkKey(key: unknown, what: string): string {
  if (typeof key === 'string' && key !== '') return key;
  throw wrong(what, 'concurrencyKey must be, or give, a text that is not empty');
}

function wrong(what: string, why: string): ConfigurationError {
  return new ConfigurationError(`${what}: ${why}`, 'bad-option');
}
