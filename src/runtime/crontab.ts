/**
 * Crontabs: which minutes a periodic task runs at. Whether a minute matches is decided by what the clock on the wall
 * shows at that instant in the zone, walking the minutes of UTC. Hence, when the clocks change: a time that is skipped
 * in spring does not come, and nothing runs; a time that comes twice in autumn runs twice.
 *
 * As in Huey, and unlike cron, day and day of the week must both match, and every field defaults to `*`.
 */
import { checkZone, wallClock, type WallClock } from './clock.js';
import { CRON_FIELDS, checkDayComes, parseCronField, splitCronFields, type CronField, type CronFieldName } from './crontab-fields.js';
import { ConfigurationError } from './errors.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './limits.js';

/** Each field is a number or a text: `*`, `5`, `1-5`, a list such as `0,30`, a step such as `1-31/2`, names (mon, jan). */
export interface CrontabFields {
  minute?: number | string;
  hour?: number | string;
  day?: number | string;
  month?: number | string;
  /** 0 and 7 are Sunday. */
  dayOfWeek?: number | string;
}

export interface CrontabZone {
  /** 'UTC', 'local', or an IANA name. Without: the zone of the consumer, UTC or, with `-o`, local time. */
  zone?: string;
}

/** 29 February on one day of the week is at most 40 years away (across 2100). */
const SEARCH_MAX_MS = 41 * 366 * DAY_MS;
export const NEXT_RUNS_MAX = 10_000;

/**
 * When a periodic task runs: `crontab({ minute: 0, hour: '9-17' })`, or the five fields of a cron line. Huey: `crontab`.
 * @throws ConfigurationError with the reason where a field is not understood or can never come.
 */
export function crontab(options?: CrontabFields & CrontabZone): Crontab;
export function crontab(expression: string, options?: CrontabZone): Crontab;
export function crontab(when: string | (CrontabFields & CrontabZone) = {}, options: CrontabZone = {}): Crontab {
  if (typeof when === 'string') return new Crontab(splitCronFields(when), options.zone);
  for (const key of Object.keys(checkObject(when))) {
    if (key === 'zone' || (CRON_FIELDS as readonly string[]).includes(key)) continue;
    throw new ConfigurationError(`crontab has no field ${JSON.stringify(key)}; it has ${CRON_FIELDS.join(', ')} and zone`, 'bad-crontab');
  }
  return new Crontab(
    CRON_FIELDS.map((name) => (when[name] === undefined ? '*' : when[name])),
    when.zone,
  );
}

/** Once an hour, at minute 0 unless another is given. */
export function hourly({ minute = 0, ...zone }: Pick<CrontabFields, 'minute'> & CrontabZone = {}): Crontab {
  return crontab({ minute, ...zone });
}

/** Once a day, at 00:00 unless another time is given. */
export function daily({ hour = 0, minute = 0, ...zone }: Pick<CrontabFields, 'minute' | 'hour'> & CrontabZone = {}): Crontab {
  return crontab({ minute, hour, ...zone });
}

/** Made by `crontab`. */
export class Crontab {
  /** Five fields: minute hour day month day-of-week. */
  readonly expression: string;
  /** Undefined: the consumer's. */
  readonly zone: string | undefined;
  readonly #fields: Record<CronFieldName, CronField>;

  /** @param fields five, in the order of a cron line. */
  constructor(fields: readonly (number | string)[], zone?: string) {
    const [minute, hour, day, month, dayOfWeek] = fields;
    this.#fields = {
      minute: parseCronField('minute', minute),
      hour: parseCronField('hour', hour),
      day: parseCronField('day', day),
      month: parseCronField('month', month),
      dayOfWeek: parseCronField('dayOfWeek', dayOfWeek),
    };
    checkDayComes(this.#fields.day, this.#fields.month);
    this.expression = CRON_FIELDS.map((name) => this.#fields[name].text).join(' ');
    this.zone = zone === undefined ? undefined : checkZone(zone);
  }

  /** Whether the task runs in the minute of this instant. `zone` goes before the crontab's own; without either UTC. */
  matches(date: Date | number, zone: string = this.zone ?? 'UTC'): boolean {
    const wall = wallClock(checkInstant(date), zone);
    return this.#dayMatches(wall) && this.#fields.hour.values.has(wall.hour) && this.#fields.minute.values.has(wall.minute);
  }

  /**
   * The next `n` runs after `from`, a run at `from` itself not included. Fewer where they do not come within 41 years:
   * a time that the clocks of the zone always skip never comes.
   */
  nextRuns(n: number, from: Date | number, zone: string = this.zone ?? 'UTC'): Date[] {
    if (!Number.isInteger(n) || n < 0 || n > NEXT_RUNS_MAX) {
      throw new ConfigurationError(`nextRuns gives 0 to ${NEXT_RUNS_MAX} dates, not ${String(n)}`, 'bad-crontab');
    }
    const runs: Date[] = [];
    let at = (Math.floor(checkInstant(from) / MINUTE_MS) + 1) * MINUTE_MS;
    let giveUpAt = at + SEARCH_MAX_MS;
    while (runs.length < n && at < giveUpAt) {
      const wall = wallClock(at, zone);
      const skipMs = this.#skipMs(wall);
      if (skipMs === 0) {
        runs.push(new Date(at));
        giveUpAt = at + SEARCH_MAX_MS;
        at += MINUTE_MS;
      } else {
        at += straightSkipMs(at, wall, skipMs, zone);
      }
    }
    return runs;
  }

  toString(): string {
    return this.zone === undefined ? this.expression : `${this.expression} (${this.zone})`;
  }

  /** 0 where this minute matches; else how far the next one is that could, if the clock on the wall runs straight on. */
  #skipMs(wall: WallClock): number {
    if (!this.#fields.month.values.has(wall.month)) return Date.UTC(wall.year, wall.month, 1) - wallMs(wall);
    if (!this.#dayMatches(wall)) return dayRestMs(wall);
    if (!this.#fields.hour.values.has(wall.hour)) return HOUR_MS - wall.minute * MINUTE_MS;
    return this.#fields.minute.values.has(wall.minute) ? 0 : MINUTE_MS;
  }

  #dayMatches(wall: WallClock): boolean {
    const { day, month, dayOfWeek } = this.#fields;
    return month.values.has(wall.month) && day.values.has(wall.day) && dayOfWeek.values.has(wall.weekday);
  }
}

/**
 * The skip, or a shorter one where the clocks change within it: what the wall shows at the end must be what the sum
 * says. (Where a zone changes its clocks and back again in between, as Morocco around Ramadan, nothing is missed: that
 * is far from both ends, or within months that do not count.)
 */
function straightSkipMs(at: number, wall: WallClock, skipMs: number, zone: string): number {
  if (zone === 'UTC' || skipMs === MINUTE_MS) return skipMs;
  for (const ms of [skipMs, dayRestMs(wall), HOUR_MS - wall.minute * MINUTE_MS]) {
    if (ms <= skipMs && ms > MINUTE_MS && wallMs(wallClock(at + ms, zone)) - wallMs(wall) === ms) return ms;
  }
  return MINUTE_MS;
}

function dayRestMs(wall: WallClock): number {
  return DAY_MS - wall.hour * HOUR_MS - wall.minute * MINUTE_MS;
}

function wallMs(wall: WallClock): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute);
}

function checkObject(when: unknown): object {
  if (typeof when === 'object' && when !== null && !Array.isArray(when)) return when;
  throw new ConfigurationError("crontab takes its fields as an object, or one text such as '0 3 * * mon-fri'", 'bad-crontab');
}

function checkInstant(date: Date | number): number {
  const ms = typeof date === 'number' ? date : date.getTime();
  // Dates end in the year 275760; the search needs room before that.
  if (!Number.isFinite(ms) || Math.abs(ms) > 8e15)
    throw new ConfigurationError('crontab: not a date; give a Date or ms since 1970', 'bad-date');
  return ms;
}
