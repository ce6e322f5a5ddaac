/** The option `unique`: while a call with a key waits (or runs), a second one with this key is not made. */
import { type DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import { DELAY_MAX_MS, UNIQUE_KEY_MAX_CHARS } from '../runtime/limits.js';
import type { UniqueClaim } from '../runtime/storage.js';
import { checkKeys, durationOption } from './option-check.js';

export interface UniqueOptions<A extends readonly unknown[] = never[]> {
  /** What must not be there twice. Default: the arguments. Keys of different tasks never meet. */
  key?(...args: A): string;
  /** The key is free again when the call has `started`, or when it has `ended` (default), whatever became of it. */
  until?: 'started' | 'ended';
  /** The key is free after this time in any case: seconds or a luxon Duration. Default: never. */
  ttl?: DurationInput;
  /**
   * A second call gives the handle of the `existing` one (default), takes its place, where that has not started, which
   * ends as revoked (`replace`), or is refused with UniqueConflict (`reject`).
   */
  onConflict?: 'existing' | 'replace' | 'reject';
}

/** Validated. */
export interface UniqueRule {
  readonly key: ((...args: readonly unknown[]) => unknown) | undefined;
  readonly until: 'started' | 'ended';
  readonly ttlMs: number;
  readonly onConflict: UniqueClaim['onConflict'];
}

const KEYS = ['key', 'until', 'ttl', 'onConflict'] as const satisfies (keyof UniqueOptions)[];

/** @throws ConfigurationError */
export function uniqueRule(options: UniqueOptions | false | undefined, what: string): UniqueRule | undefined {
  if (options === undefined || options === false) return undefined;
  checkKeys(options, KEYS, `unique of ${what}`);
  const { until = 'ended', ttl, onConflict = 'existing' } = options;
  const { key } = options as { key?: unknown };
  if (key !== undefined && typeof key !== 'function') throw wrong(what, 'key must be a function that gives a text');
  if (until !== 'started' && until !== 'ended') throw wrong(what, "until must be 'started' or 'ended'");
  if (!['existing', 'replace', 'reject'].includes(onConflict)) throw wrong(what, "onConflict must be 'existing', 'replace' or 'reject'");
  return {
    key: key as UniqueRule['key'],
    until,
    ttlMs: ttl === undefined ? 0 : durationOption(ttl, 'ttl', 1, DELAY_MAX_MS),
    onConflict,
  };
}

/** The key of one call. `argsText` is what the arguments are encoded as. @throws ConfigurationError */
export function uniqueKey(rule: UniqueRule, taskName: string, args: readonly unknown[], argsText: () => string): string {
  if (rule.key === undefined) return `${taskName}:#${digest(argsText())}`;
  const key: unknown = rule.key(...args);
  if (typeof key !== 'string' || key === '') throw wrong(taskName, 'key must give a text that is not empty');
  return `${taskName}:${key.length > UNIQUE_KEY_MAX_CHARS ? `#${digest(key)}` : `=${key}`}`;
}

function digest(text: string): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('base64url');
}

function wrong(what: string, why: string): ConfigurationError {
  return new ConfigurationError(`unique of ${what}: ${why}`, 'bad-option');
}
