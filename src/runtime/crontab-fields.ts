/**
 * The text of a crontab, field by field: which values it stands for, or why it is refused. Every text either means
 * what users of cron expect, or is an error with the reason; nothing is guessed.
 *
 *     *   n   a-b   star/n   a-b/n   and lists of these; mon..sun and jan..dec for numbers
 *
 * A step counts from the start of its range. Days of the week may wrap (fri-mon, 5-7), 0 and 7 are Sunday.
 */
import { ConfigurationError } from './errors.js';

export type CronFieldName = 'minute' | 'hour' | 'day' | 'month' | 'dayOfWeek';

export interface CronField {
  /** The field as it is kept: without blanks, in lower case. */
  text: string;
  values: ReadonlySet<number>;
}

interface FieldRule {
  first: number;
  last: number;
  names?: readonly string[];
}

const RULES: Record<CronFieldName, FieldRule> = {
  minute: { first: 0, last: 59 },
  hour: { first: 0, last: 23 },
  day: { first: 1, last: 31 },
  month: { first: 1, last: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  dayOfWeek: { first: 0, last: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
};

/** In the order in which they are written. */
export const CRON_FIELDS: readonly CronFieldName[] = ['minute', 'hour', 'day', 'month', 'dayOfWeek'];

const SUNDAY_AS_SEVEN = 7;
const DAYS_OF_WEEK = 7;
/** February counts with its leap day: 29 February comes. */
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** A list of every minute has 60 items; more is a mistake or an attack. */
const TEXT_MAX_CHARS = 500;

/** @throws ConfigurationError with the reason where the text is not one of the forms. */
export function parseCronField(name: CronFieldName, given: unknown): CronField {
  if (typeof given !== 'string' && typeof given !== 'number') throw refused(name, typeof given, 'give a text or a number');
  const whole = String(given);
  if (whole.length > TEXT_MAX_CHARS) throw refused(name, `${whole.slice(0, 40)}...`, `it is longer than ${TEXT_MAX_CHARS} characters`);
  const text = joinLists(whole).trim().toLowerCase();
  const values = new Set<number>();
  for (const item of text.split(',')) {
    if (item === '') throw refused(name, text, 'there is an empty place in it');
    for (const value of itemValues(name, item)) values.add(value);
  }
  return { text, values };
}

/** The five fields of one text. Blanks after commas belong to the list. @throws ConfigurationError where there are not five. */
export function splitCronFields(expression: string): string[] {
  const fields = joinLists(expression.slice(0, CRON_FIELDS.length * TEXT_MAX_CHARS))
    .trim()
    .split(/\s+/);
  if (fields.length !== CRON_FIELDS.length || fields[0] === '') {
    const count = fields[0] === '' ? 0 : fields.length;
    throw new ConfigurationError(
      `crontab ${JSON.stringify(expression.slice(0, 60))}: five fields are needed (minute hour day month day-of-week), there are ${count}`,
      'bad-crontab',
    );
  }
  return fields;
}

/** Blanks beside a comma belong to the list. */
function joinLists(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/ ?, ?/g, ',');
}

/** Refuses days that no chosen month has. @throws ConfigurationError */
export function checkDayComes(day: CronField, month: CronField): void {
  for (const monthValue of month.values) {
    for (const dayValue of day.values) if (dayValue <= (DAYS_IN_MONTH[monthValue - 1] ?? 0)) return;
  }
  throw new ConfigurationError(`crontab: day ${day.text} never comes in month ${month.text}, so this would never run`, 'bad-crontab');
}

function itemValues(name: CronFieldName, item: string): number[] {
  const [range = '', stepText, ...more] = item.split('/');
  if (more.length > 0) throw refused(name, item, 'there is more than one "/"');
  const rule = RULES[name];
  const ends = range === '*' ? [rule.first, rule.last] : range.split('-').map((end) => numberOf(name, item, end));
  const [first, last] = ends;
  if (first === undefined || ends.length > 2) throw refused(name, item, 'it is not one of the forms *, n, a-b, */n, a-b/n');
  if (last === undefined) {
    if (stepText !== undefined) throw refused(name, item, `a step needs a range; write ${range}-${rule.last}/${stepText}`);
    return [name === 'dayOfWeek' ? first % DAYS_OF_WEEK : first];
  }
  return walk(name, item, first, last, stepText === undefined ? 1 : stepOf(name, item, stepText));
}

function walk(name: CronFieldName, item: string, first: number, last: number, step: number): number[] {
  let from = first;
  let to = last;
  if (name === 'dayOfWeek' && from === SUNDAY_AS_SEVEN) {
    from = 0;
    if (to === SUNDAY_AS_SEVEN) to = 0;
  }
  if (to < from) {
    if (name !== 'dayOfWeek') throw refused(name, item, 'the range runs backwards; write it as two ranges with a comma between');
    to += DAYS_OF_WEEK;
  }
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(name === 'dayOfWeek' ? value % DAYS_OF_WEEK : value);
  return values;
}

function numberOf(name: CronFieldName, item: string, text: string): number {
  const { first, last, names } = RULES[name];
  const index = names?.indexOf(text) ?? -1;
  if (index >= 0) return first + index;
  if (!/^\d+$/.test(text)) {
    const forms = names === undefined ? 'a number' : `a number or one of ${names.join(' ')}`;
    throw refused(name, item, `${JSON.stringify(text)} is not ${forms}`);
  }
  const value = Number(text);
  const top = name === 'dayOfWeek' ? SUNDAY_AS_SEVEN : last;
  if (value < first || value > top) throw refused(name, item, `${text} is not between ${first} and ${top}`);
  return value;
}

/** A step that is longer than the field would quietly mean "only the first value". */
function stepOf(name: CronFieldName, item: string, text: string): number {
  const size = RULES[name].last - RULES[name].first + 1;
  const step = /^\d+$/.test(text) ? Number(text) : 0;
  if (step < 1 || step > size) throw refused(name, item, `the step must be a number between 1 and ${size}`);
  return step;
}

function refused(name: CronFieldName, text: string, reason: string): ConfigurationError {
  return new ConfigurationError(`crontab: ${name} cannot be ${JSON.stringify(text)}: ${reason}`, 'bad-crontab');
}
