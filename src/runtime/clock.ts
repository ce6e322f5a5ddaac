/**
 * Wall time: what people write as durations, dates and zones, and what a clock on the wall shows at an instant. The
 * only file that knows luxon, which is loaded at the first need: a producer that enqueues, a worker that runs tasks
 * and a consumer in UTC never load it. Leases and due dates use the storage's clock, not this one.
 *
 * Between UTC and a zone this file goes one way only, from the instant to the wall. The one exception is ISO text
 * without an offset; there the rule is that of JavaScript's Date, see `localInstantMs`.
 */
import { createRequire } from 'node:module';
import type * as Luxon from 'luxon';
import { ConfigurationError } from './errors.js';
import { DAY_MS, MINUTE_MS, SECOND_MS } from './limits.js';

/** A number of seconds, or a luxon Duration (anything with its `toMillis`). */
export type DurationInput = number | DurationLike;
/** A Date, a luxon DateTime (anything with its `toMillis` and `toJSDate`), or ISO text. */
export type DateInput = Date | DateTimeLike | string;

export interface DurationLike {
  toMillis(): number;
}

export interface DateTimeLike {
  toMillis(): number;
  toJSDate(): Date;
}

/** What the clock on the wall shows. */
export interface WallClock {
  minute: number;
  hour: number;
  /** Of the month, from 1. */
  day: number;
  /** From 1. */
  month: number;
  /** 0 = Sunday. */
  weekday: number;
  year: number;
}

/** The head of a message has 13 digits for an instant: up to the year 2286. */
const INSTANT_MAX_MS = 10 ** 13 - 1;
/** Days whose offset is remembered, of each zone. */
const CACHED_DAYS_MAX = 1000;
const EXAMPLE = "a Date, a luxon DateTime, or ISO text such as '2030-01-31T12:00:00Z'";

/** In ms. `option` names the option in the error. @throws ConfigurationError where it is not a finite time from 0 up. */
export function durationMs(value: DurationInput, option: string): number {
  const ms = typeof value === 'number' ? value * SECOND_MS : isDuration(value) ? value.toMillis() : NaN;
  if (!Number.isFinite(ms) || ms < 0) {
    throw new ConfigurationError(
      `${option} must be a number of seconds from 0 up, or a luxon Duration; it is ${shown(value)}`,
      'bad-duration',
    );
  }
  // Rounded to whole ms, but never down to 0, which means "none" or "at once" in most places.
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

/**
 * In ms since 1970. `convertUtc` concerns only ISO text without an offset: true (the default, as in Huey) reads it as
 * local time, false as UTC.
 * @throws ConfigurationError where it is no date, or one before 1970 or after 2286.
 */
export function instantMs(value: DateInput, options: { convertUtc?: boolean } = {}): number {
  const ms = typeof value === 'string' ? isoInstantMs(value, options.convertUtc ?? true) : objectInstantMs(value);
  if (!Number.isFinite(ms)) throw new ConfigurationError(`not a date: ${shown(value)}; give ${EXAMPLE}`, 'bad-date');
  if (ms < 0 || ms > INSTANT_MAX_MS) {
    throw new ConfigurationError(`the date ${shown(value)} is out of range; dates are from 1970 to 2286`, 'bad-date');
  }
  return Math.floor(ms);
}

/** What the clock shows at this instant in a zone: 'UTC', 'local', or an IANA name. @throws ConfigurationError on an unknown zone. */
export function wallClock(instantMs: number, zone: string): WallClock {
  const date = new Date(instantMs + offsetMs(instantMs, zone));
  return {
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekday: date.getUTCDay(),
    year: date.getUTCFullYear(),
  };
}

/** How far the wall clock of a zone is ahead of UTC at this instant. @throws ConfigurationError on an unknown zone. */
export function offsetMs(instantMs: number, zone: string): number {
  if (zone === 'UTC') return 0;
  // Not cached: the process may set its TZ later, and the lookup is cheap.
  if (zone === 'local') return loadLuxon().SystemZone.instance.offset(instantMs) * MINUTE_MS;
  return zoneOffsets(zone).at(instantMs);
}

/** Gives the zone back: 'UTC', 'local', or an IANA name. @throws ConfigurationError on anything else. */
export function checkZone(zone: unknown): string {
  if (zone === 'UTC' || zone === 'local') return zone;
  if (typeof zone === 'string' && zone.toUpperCase() === 'UTC') return 'UTC';
  // Offsets such as +03:00 are zones for some versions of Node and none for others.
  if (typeof zone === 'string' && /^[A-Za-z]/.test(zone) && loadLuxon().IANAZone.isValidZone(zone)) return zone;
  throw new ConfigurationError(
    `no such time zone: ${shown(zone)}; give 'UTC', 'local', or an IANA name such as 'America/New_York'`,
    'bad-zone',
  );
}

/** The offsets of one zone. A UTC day that begins and ends with the same offset has no other: that spares the slow lookups. */
class ZoneOffsets {
  readonly #zone: Luxon.Zone;
  /** At the beginning of UTC days, by the number of the day. */
  readonly #byDay = new Map<number, number>();

  constructor(name: string) {
    this.#zone = loadLuxon().IANAZone.create(checkZone(name));
  }

  at(instantMs: number): number {
    const day = Math.floor(instantMs / DAY_MS);
    const offset = this.#atDay(day);
    return offset === this.#atDay(day + 1) ? offset : this.#lookUp(instantMs);
  }

  #atDay(day: number): number {
    let offset = this.#byDay.get(day);
    if (offset === undefined) {
      if (this.#byDay.size >= CACHED_DAYS_MAX) this.#byDay.clear();
      offset = this.#lookUp(day * DAY_MS);
      this.#byDay.set(day, offset);
    }
    return offset;
  }

  #lookUp(instantMs: number): number {
    return this.#zone.offset(instantMs) * MINUTE_MS;
  }
}

const offsetsByZone = new Map<string, ZoneOffsets>();

/** Only valid zones get in; a program names few. */
function zoneOffsets(zone: string): ZoneOffsets {
  let offsets = offsetsByZone.get(zone);
  if (offsets === undefined) {
    offsets = new ZoneOffsets(zone);
    offsetsByZone.set(zone, offsets);
  }
  return offsets;
}

let luxon: typeof Luxon | undefined;

function loadLuxon(): typeof Luxon {
  luxon ??= createRequire(import.meta.url)('luxon') as typeof Luxon;
  return luxon;
}

/** NaN where the text is no date. */
function isoInstantMs(text: string, convertUtc: boolean): number {
  // luxon also reads a time without a date, as one of today; that would mean something else tomorrow.
  if (!/^(?:(?:\d{4}|[+-]\d{6})(?:-|$)|\d{7,8}(?:T|$))/i.test(text)) return NaN;
  const { DateTime } = loadLuxon();
  const inUtc = DateTime.fromISO(text, { zone: 'utc' });
  // Text with an offset or a zone of its own means the same instant whatever the default is.
  const hasOffset = inUtc.toMillis() === DateTime.fromISO(text, { zone: 'UTC+1' }).toMillis();
  return hasOffset || !convertUtc ? inUtc.toMillis() : localInstantMs(inUtc);
}

/**
 * A time that the clock shows twice is the first of the two, one that it skips is as much later as it skips: the rule
 * of Date. (luxon's answer in the fold depends on the season of today.)
 */
function localInstantMs(wall: Luxon.DateTime): number {
  // Too early in any case; and Date takes the years 0 to 99 for 1900 to 1999.
  if (wall.year < 1970) return wall.toMillis();
  return new Date(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second, wall.millisecond).getTime();
}

function objectInstantMs(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  return isDateTime(value) ? value.toMillis() : NaN;
}

function isDuration(value: unknown): value is DurationLike {
  return hasMethod(value, 'toMillis') && !hasMethod(value, 'toJSDate');
}

function isDateTime(value: unknown): value is DateTimeLike {
  return hasMethod(value, 'toMillis') && hasMethod(value, 'toJSDate');
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
}

/** A short text of what was given, for an error. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : value.toISOString();
  if (typeof value === 'object' && value !== null) return isDateTime(value) ? 'a DateTime that is not valid' : 'an object of another kind';
  return String(value);
}
