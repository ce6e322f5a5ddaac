/** How options are checked at run time: unknown ones are refused with the nearest name, numbers against their limits. */
import { durationMs, type DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';

/** @throws ConfigurationError where `options` is no object or has a key that is not in `known`. */
export function checkKeys(options: unknown, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new ConfigurationError(`the options of ${what} must be an object; they are ${shown(options)}`, 'bad-option');
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    const hint = nearest === undefined ? `it has ${known.join(', ')}` : `did you mean "${nearest}"?`;
    throw new ConfigurationError(`${what} has no option ${JSON.stringify(key)}; ${hint}`, 'unknown-option');
  }
}

/** A whole number within limits. */
export function integerOption(value: unknown, option: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw outOfRange(option, `a whole number from ${min} to ${max}`, value);
}

export function numberOption(value: unknown, option: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw outOfRange(option, `a number from ${min} to ${max}`, value);
}

/** Seconds or a luxon Duration, within limits given in ms. Gives ms. */
export function durationOption(value: DurationInput, option: string, minMs: number, maxMs: number): number {
  const ms = durationMs(value, option);
  if (ms >= minMs && ms <= maxMs) return ms;
  throw outOfRange(option, minMs === 0 ? `at most ${maxMs / 1000} s` : `from ${minMs / 1000} to ${maxMs / 1000} s`, `${ms / 1000} s`);
}

export function booleanOption(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value;
  throw outOfRange(option, 'true or false', value);
}

/** Seconds or anything with `toMillis` that is no date. */
export function isDurationInput(value: unknown): value is DurationInput {
  if (typeof value === 'number') return true;
  return typeof value === 'object' && value !== null && 'toMillis' in value && !('toJSDate' in value);
}

/** The known name that a typing error is closest to; undefined where none is close. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    // A word cut short is nearer than its length says: `block` for `blocking`.
    const isCut = name.length > 2 && plain(candidate).startsWith(plain(name));
    const distance = isCut ? 1 : editDistance(plain(name), plain(candidate));
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** `retry_delay` is Huey's own spelling of `retryDelay`. */
function plain(name: string): string {
  return name.slice(0, 40).toLowerCase().replaceAll(/[_-]/g, '');
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function outOfRange(option: string, allowed: string, value: unknown): ConfigurationError {
  return new ConfigurationError(`${option} must be ${allowed}; it is ${shown(value)}`, 'bad-option');
}

function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 60 ? `${value.slice(0, 60)}...` : value;
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}
