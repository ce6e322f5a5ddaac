import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { crontab, daily, hourly, type CrontabFields } from '../../src/runtime/crontab.js';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { randomSeed } from '../support/seed.js';

const MINUTE_MS = 60_000;
const LOCAL_ZONE = process.env['TZ'];

afterEach(() => {
  if (LOCAL_ZONE === undefined) delete process.env['TZ'];
  else process.env['TZ'] = LOCAL_ZONE;
});

/** The runs within a stretch of UTC, as ISO text without seconds. */
function runs(expression: string, from: string, until: string, zone?: string): string[] {
  const cron = crontab(expression, zone === undefined ? {} : { zone });
  const texts: string[] = [];
  for (let at = Date.parse(from); at < Date.parse(until); at += MINUTE_MS) {
    if (cron.matches(at)) texts.push(new Date(at).toISOString().slice(0, 16));
  }
  const next = cron.nextRuns(texts.length + 1, Date.parse(from) - 1).map((date) => date.toISOString().slice(0, 16));
  assert.deepEqual(next.slice(0, texts.length), texts, 'nextRuns and matches agree');
  const after = next[texts.length];
  assert.ok(after === undefined || Date.parse(`${after}Z`) >= Date.parse(until), 'nextRuns invents no run');
  return texts;
}

/** The values of a field, found by asking for each. */
function valuesOf(field: keyof CrontabFields, text: string | number): number[] {
  const found = new Set<number>();
  const cron = crontab({ [field]: text });
  const readers = {
    minute: (date: Date) => date.getUTCMinutes(),
    hour: (date: Date) => date.getUTCHours(),
    day: (date: Date) => date.getUTCDate(),
    month: (date: Date) => date.getUTCMonth() + 1,
    dayOfWeek: (date: Date) => date.getUTCDay(),
  };
  const stepMs = { minute: 1, hour: 60, day: 1440, month: 1440, dayOfWeek: 1440 }[field] * MINUTE_MS;
  for (let at = Date.UTC(2024, 0, 1); at < Date.UTC(2025, 0, 1) && at < Date.UTC(2024, 0, 1) + 400 * stepMs; at += stepMs) {
    if (cron.matches(at)) found.add(readers[field](new Date(at)));
  }
  return [...found].sort((a, b) => a - b);
}

describe('crontab fields', () => {
  const table: [keyof CrontabFields, string | number, number[]][] = [
    ['minute', 5, [5]],
    ['minute', '05', [5]],
    ['minute', '0,30', [0, 30]],
    ['minute', '0, 30', [0, 30]],
    ['minute', '10-13', [10, 11, 12, 13]],
    ['minute', '50-59/4', [50, 54, 58]],
    ['minute', '*/25', [0, 25, 50]],
    ['minute', '*/60', [0]],
    ['minute', '1-5/2,7', [1, 3, 5, 7]],
    ['hour', '*/4', [0, 4, 8, 12, 16, 20]],
    ['day', '*/10', [1, 11, 21, 31]],
    ['month', '*/5', [1, 6, 11]],
    ['month', 'jan,Mar-MAY', [1, 3, 4, 5]],
    ['dayOfWeek', 0, [0]],
    ['dayOfWeek', 7, [0]],
    ['dayOfWeek', 'sun', [0]],
    ['dayOfWeek', 'mon-fri', [1, 2, 3, 4, 5]],
    ['dayOfWeek', 'fri-mon', [0, 1, 5, 6]],
    ['dayOfWeek', 'fri-mon/2', [0, 5]],
    ['dayOfWeek', '5-7', [0, 5, 6]],
    ['dayOfWeek', '7-2', [0, 1, 2]],
    ['dayOfWeek', '7-7', [0]],
    ['dayOfWeek', '7-0', [0]],
    ['dayOfWeek', '0-7', [0, 1, 2, 3, 4, 5, 6]],
    ['dayOfWeek', 'mon-sun', [0, 1, 2, 3, 4, 5, 6]],
    ['dayOfWeek', '*/3', [0, 3, 6]],
    ['dayOfWeek', '*/2', [0, 2, 4, 6]],
  ];
  for (const [field, text, values] of table) {
    it(`${field} ${text} is ${values.join(' ')}`, () => {
      assert.deepEqual(valuesOf(field, text), values);
    });
  }

  const refused: [CrontabFields, RegExp][] = [
    [{ minute: 60 }, /60 is not between 0 and 59/],
    [{ minute: -1 }, /forms|not a number/],
    [{ minute: 1.5 }, /not a number/],
    [{ minute: NaN }, /not a number/],
    [{ minute: '5/2' }, /a step needs a range; write 5-59\/2/],
    [{ minute: '*/0' }, /step/],
    [{ minute: '*/61' }, /between 1 and 60/],
    [{ minute: '*/' }, /step/],
    [{ minute: '*/5/2' }, /more than one/],
    [{ minute: '30-10' }, /backwards/],
    [{ minute: '1-2-3' }, /forms/],
    [{ minute: '1,,2' }, /empty place/],
    [{ minute: '' }, /empty place/],
    [{ minute: 'mon' }, /not a number/],
    [{ minute: '?' }, /not a number/],
    [{ hour: 24 }, /between 0 and 23/],
    [{ hour: '22-2' }, /backwards/],
    [{ day: 0 }, /between 1 and 31/],
    [{ day: 'L' }, /not a number/],
    [{ month: 'nov-feb' }, /backwards/],
    [{ month: 'january' }, /one of jan feb/],
    [{ dayOfWeek: 8 }, /between 0 and 7/],
    [{ dayOfWeek: '1#2' }, /not a number/],
    [{ minute: `0${',0'.repeat(1000)}` }, /longer than/],
    [{ minute: null as unknown as string }, /give a text or a number/],
    [{ minutes: 5 } as CrontabFields, /no field "minutes"/],
    [{ day: 30, month: 2 }, /day 30 never comes in month 2/],
    [{ day: 31, month: 'feb,apr,jun,sep,nov' }, /never comes/],
  ];
  for (const [fields, reason] of refused) {
    it(`refuses ${JSON.stringify(fields).slice(0, 60)}`, () => {
      assert.throws(
        () => crontab(fields),
        (error) => error instanceof ConfigurationError && error.code === 'bad-crontab' && reason.test(error.message),
      );
    });
  }

  it('refuses expressions that have not five fields', () => {
    for (const text of ['', ' ', '* * * *', '* * * * * *', '@daily', '* *\n* *']) assert.throws(() => crontab(text), /five fields/);
  });

  it('refuses a zone that does not exist', () => {
    assert.throws(() => crontab('* * * * *', { zone: 'Mars/Olympus' }), /no such time zone/);
    assert.throws(() => crontab({ zone: 'Mars/Olympus' }), /no such time zone/);
  });
});

describe('a crontab', () => {
  it('is five fields and a zone, from an object or a text', () => {
    assert.equal(crontab({ minute: '0, 30', dayOfWeek: 'MON-fri' }).expression, '0,30 * * * mon-fri');
    assert.equal(crontab(' 0, 30  3 * *\tmon ').expression, '0,30 3 * * mon');
    assert.equal(crontab().expression, '* * * * *');
    assert.equal(crontab('0 3 * * *', { zone: 'Europe/Berlin' }).zone, 'Europe/Berlin');
    assert.equal(crontab({ hour: 3, zone: 'local' }).zone, 'local');
    assert.equal(crontab('0 3 * * *').zone, undefined);
    assert.equal(String(crontab('0 3 * * *')), '0 3 * * *');
    assert.equal(String(crontab('0 3 * * *', { zone: 'UTC' })), '0 3 * * * (UTC)');
  });

  it('has helpers for every hour and every day', () => {
    assert.equal(hourly().expression, '0 * * * *');
    assert.equal(hourly({ minute: 15 }).expression, '15 * * * *');
    assert.equal(daily().expression, '0 0 * * *');
    assert.equal(daily({ hour: 3, minute: 30, zone: 'Asia/Tokyo' }).toString(), '30 3 * * * (Asia/Tokyo)');
  });

  it('wants day and day of the week both to match, as Huey does', () => {
    assert.deepEqual(runs('0 0 13 * fri', '2024-01-01T00:00Z', '2025-01-01T00:00Z'), ['2024-09-13T00:00', '2024-12-13T00:00']);
  });

  it('matches the whole minute', () => {
    const cron = crontab('30 12 * * *');
    assert.equal(cron.matches(new Date('2024-01-01T12:30:59.999Z')), true);
    assert.equal(cron.matches(new Date('2024-01-01T12:31:00Z')), false);
  });

  it('reads UTC unless told otherwise; a zone that is asked for goes before its own', () => {
    const noon = new Date('2024-01-01T12:00:00Z');
    assert.equal(crontab('0 12 * * *').matches(noon), true);
    assert.equal(crontab('0 12 * * *').matches(noon, 'Asia/Tokyo'), false);
    assert.equal(crontab('0 21 * * *', { zone: 'Asia/Tokyo' }).matches(noon), true);
    assert.equal(crontab('0 21 * * *', { zone: 'Asia/Tokyo' }).matches(noon, 'UTC'), false);
  });

  it('reads local time', () => {
    process.env['TZ'] = 'America/New_York';
    assert.deepEqual(
      crontab('0 9 * * *')
        .nextRuns(2, new Date('2024-03-09T12:00Z'), 'local')
        .map((date) => date.toISOString()),
      ['2024-03-09T14:00:00.000Z', '2024-03-10T13:00:00.000Z'],
    );
  });

  it('gives the runs after an instant, without one at the instant itself', () => {
    const next = crontab('0 12 * * *').nextRuns(2, new Date('2024-01-01T12:00:00Z'));
    assert.deepEqual(next, [new Date('2024-01-02T12:00:00Z'), new Date('2024-01-03T12:00:00Z')]);
    assert.deepEqual(crontab('0 12 * * *').nextRuns(1, new Date('2024-01-01T11:59:59.999Z')), [new Date('2024-01-01T12:00:00Z')]);
    assert.deepEqual(crontab('* * * * *').nextRuns(0, new Date(0)), []);
  });

  it('finds runs that are decades away', () => {
    const years = (zone: string): number[] =>
      crontab('0 12 29 2 mon')
        .nextRuns(4, new Date('2072-03-01T00:00Z'), zone)
        .map((date) => date.getUTCFullYear());
    assert.deepEqual(years('UTC'), [2112, 2140, 2168, 2196]);
    assert.deepEqual(years('America/New_York'), [2112, 2140, 2168, 2196]);
  });

  it('gives fewer where the clocks of the zone always skip that time', () => {
    const cron = crontab('30 2 8-14 3 sun');
    assert.deepEqual(cron.nextRuns(2, new Date('2024-01-01T00:00Z'), 'America/New_York'), []);
    assert.equal(cron.nextRuns(2, new Date('2024-01-01T00:00Z'), 'UTC').length, 2);
  });

  it('refuses counts and dates that make no sense', () => {
    for (const n of [-1, 1.5, NaN, 1e9]) assert.throws(() => crontab().nextRuns(n, new Date(0)), ConfigurationError);
    for (const date of [NaN, new Date(NaN), 8.64e15]) {
      assert.throws(() => crontab().nextRuns(1, date), ConfigurationError);
      assert.throws(() => crontab().matches(date), ConfigurationError);
    }
  });
});

describe('when the clocks change', () => {
  const table: [string, string, string, string, string, string[]][] = [
    [
      'New York skips 2:00 to 3:00: 2:30 does not run',
      '30 2 * * *',
      'America/New_York',
      '2024-03-10T00:00Z',
      '2024-03-11T12:00Z',
      ['2024-03-11T06:30'],
    ],
    [
      'New York, every half hour on both sides of the gap',
      '*/30 1-3 * * *',
      'America/New_York',
      '2024-03-10T05:00Z',
      '2024-03-10T12:00Z',
      ['2024-03-10T06:00', '2024-03-10T06:30', '2024-03-10T07:00', '2024-03-10T07:30'],
    ],
    [
      'New York has 1:30 twice: both run',
      '30 1 * * *',
      'America/New_York',
      '2024-11-03T00:00Z',
      '2024-11-04T12:00Z',
      ['2024-11-03T05:30', '2024-11-03T06:30', '2024-11-04T06:30'],
    ],
    [
      'Lord Howe skips half an hour, 2:00 to 2:30',
      '15,45 2 * * *',
      'Australia/Lord_Howe',
      '2024-10-05T00:00Z',
      '2024-10-06T12:00Z',
      ['2024-10-05T15:45'],
    ],
    [
      'Lord Howe has 1:30 to 2:00 twice',
      '15,45 1 * * *',
      'Australia/Lord_Howe',
      '2024-04-06T00:00Z',
      '2024-04-07T00:00Z',
      ['2024-04-06T14:15', '2024-04-06T14:45', '2024-04-06T15:15'],
    ],
    [
      'Apia had no 30 December 2011',
      '0 12 28-31 12 *',
      'Pacific/Apia',
      '2011-12-28T00:00Z',
      '2012-01-01T12:00Z',
      ['2011-12-28T22:00', '2011-12-29T22:00', '2011-12-30T22:00'],
    ],
    ['Apia, nothing on the skipped Friday', '0 * 30 12 *', 'Pacific/Apia', '2011-12-28T00:00Z', '2012-01-01T12:00Z', []],
    [
      'Casablanca goes back for Ramadan: 2:30 comes twice',
      '30 2 * * *',
      'Africa/Casablanca',
      '2024-03-09T12:00Z',
      '2024-03-11T12:00Z',
      ['2024-03-10T01:30', '2024-03-10T02:30', '2024-03-11T02:30'],
    ],
    [
      'Casablanca goes on after Ramadan: 2:30 is skipped',
      '30 2 * * *',
      'Africa/Casablanca',
      '2024-04-13T12:00Z',
      '2024-04-15T12:00Z',
      ['2024-04-15T01:30'],
    ],
  ];
  for (const [title, expression, zone, from, until, expected] of table) {
    it(title, () => {
      assert.deepEqual(runs(expression, from, until, zone), expected);
    });
  }
});

/** A field as text, and what it means, made side by side: no parser on this way. */
interface MadeField {
  text: string;
  has(value: number): boolean;
}

const MONTH_NAMES = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const DAY_NAMES = 'sun mon tue wed thu fri sat'.split(' ');

function madeField(first: number, last: number, names: string[] = []): fc.Arbitrary<MadeField> {
  const named = (value: number, byName: boolean): string => (byName ? names[value - first] : undefined) ?? String(value);
  const span = fc.tuple(fc.integer({ min: first, max: last }), fc.integer({ min: first, max: last }), fc.boolean());
  const step = fc.integer({ min: 1, max: last - first + 1 });
  const single = span.map(([a, , byName]): MadeField => ({ text: named(a, byName), has: (value) => value === a }));
  const range = fc.tuple(span, fc.option(step)).map(([[a, b, byName], n]): MadeField => {
    const [low, high] = a < b ? [a, b] : [b, a];
    const text = `${named(low, byName)}-${named(high, byName)}${n === null ? '' : `/${n}`}`;
    return { text, has: (value) => value >= low && value <= high && (value - low) % (n ?? 1) === 0 };
  });
  const every = step.map((n): MadeField => ({ text: n === 1 ? '*' : `*/${n}`, has: (value) => (value - first) % n === 0 }));
  const list = fc.array(fc.oneof(single, range, every), { minLength: 1, maxLength: 3 });
  return fc.tuple(list, fc.constantFrom(',', ', ')).map(([items, comma]) => ({
    text: items.map((item) => item.text).join(comma),
    has: (value) => items.some((item) => item.has(value)),
  }));
}

const star: MadeField = { text: '*', has: () => true };
const expressions = fc.tuple(
  madeField(0, 59),
  madeField(0, 23),
  fc.oneof(fc.constant(star), madeField(1, 31)),
  fc.oneof(fc.constant(star), madeField(1, 12, MONTH_NAMES)),
  fc.oneof(fc.constant(star), madeField(0, 6, DAY_NAMES)),
);

function comes(day: MadeField, month: MadeField): boolean {
  for (let at = Date.UTC(2024, 0, 1); at < Date.UTC(2025, 0, 1); at += 1440 * MINUTE_MS) {
    const date = new Date(at);
    if (day.has(date.getUTCDate()) && month.has(date.getUTCMonth() + 1)) return true;
  }
  return false;
}

describe('random crontabs', () => {
  it('agree in UTC with an implementation that knows no parser', (t) => {
    const instants = fc.integer({ min: Date.UTC(1999, 0, 1), max: Date.UTC(2105, 0, 1) });
    const property = fc.property(expressions, instants, ([minute, hour, day, month, weekday], from) => {
      const expression = [minute, hour, day, month, weekday].map((field) => field.text).join(' ');
      if (!comes(day, month)) {
        assert.throws(() => crontab(expression), /never comes/);
        return;
      }
      const cron = crontab(expression);
      const expected: number[] = [];
      let at = Math.floor(from / MINUTE_MS) * MINUTE_MS;
      for (let walked = 0; walked < 3000; walked++) {
        at += MINUTE_MS;
        const date = new Date(at);
        const matches =
          minute.has(date.getUTCMinutes()) &&
          hour.has(date.getUTCHours()) &&
          day.has(date.getUTCDate()) &&
          month.has(date.getUTCMonth() + 1) &&
          weekday.has(date.getUTCDay());
        assert.equal(cron.matches(at), matches);
        if (matches) expected.push(at);
      }
      const next = cron.nextRuns(expected.length + 1, from).map(Number);
      assert.deepEqual(next.slice(0, -1), expected);
      assert.ok((next.at(-1) ?? 0) > at);
      assert.equal(crontab(cron.expression).expression, cron.expression);
    });
    fc.assert(property, { seed: randomSeed(t), numRuns: 150 });
  });

  it('agree in zones, around changes of the clocks, with a walk over every minute', (t) => {
    const changes: [string, string][] = [
      ['America/New_York', '2024-03-10T07:00Z'],
      ['America/New_York', '2024-11-03T06:00Z'],
      ['Australia/Lord_Howe', '2024-10-05T15:30Z'],
      ['Australia/Lord_Howe', '2024-04-06T15:00Z'],
      ['Pacific/Apia', '2011-12-30T10:00Z'],
      ['Africa/Casablanca', '2024-04-14T02:00Z'],
      ['Asia/Kathmandu', '2024-04-14T02:00Z'],
    ];
    const property = fc.property(expressions, fc.constantFrom(...changes), ([minute, hour, , , weekday], [zone, change]) => {
      const shown = new Intl.DateTimeFormat('en-GB', {
        timeZone: zone,
        weekday: 'short',
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
      });
      const from = Date.parse(change) - 1440 * MINUTE_MS;
      const expected: number[] = [];
      for (let at = from + MINUTE_MS; at < from + 2880 * MINUTE_MS; at += MINUTE_MS) {
        const parts = new Map(shown.formatToParts(at).map(({ type, value }) => [type as string, value]));
        const day = DAY_NAMES.indexOf(parts.get('weekday')?.toLowerCase() ?? '');
        if (minute.has(Number(parts.get('minute'))) && hour.has(Number(parts.get('hour'))) && weekday.has(day)) expected.push(at);
      }
      const next = crontab(`${minute.text} ${hour.text} * * ${weekday.text}`, { zone }).nextRuns(expected.length, from);
      assert.deepEqual(next.map(Number), expected);
    });
    fc.assert(property, { seed: randomSeed(t), numRuns: 60 });
  });

  it('of any text are understood or refused with a reason, never anything else', (t) => {
    const piece = fc.constantFrom('*', '-', '/', ',', ' ', '0', '7', '31', 'mon', 'feb', 'x', '-1', '1e3', '\t', '٣');
    const property = fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      try {
        crontab(pieces.join(''));
      } catch (error) {
        assert.ok(error instanceof ConfigurationError);
      }
    });
    fc.assert(property, { seed: randomSeed(t), numRuns: 2000 });
  });
});
