import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, it } from 'node:test';
import { DateTime, Duration } from 'luxon';
import { checkZone, durationMs, instantMs, wallClock, type DateInput, type DurationInput } from '../../src/runtime/clock.js';
import { ConfigurationError } from '../../src/runtime/errors.js';

const CLOCK = new URL('../../src/runtime/clock.js', import.meta.url).href;
const LOCAL_ZONE = process.env['TZ'];

afterEach(() => {
  if (LOCAL_ZONE === undefined) delete process.env['TZ'];
  else process.env['TZ'] = LOCAL_ZONE;
});

describe('durationMs', () => {
  it('takes seconds and luxon durations', () => {
    assert.equal(durationMs(10, 'delay'), 10_000);
    assert.equal(durationMs(0, 'delay'), 0);
    assert.equal(durationMs(0.1 + 0.2, 'delay'), 300);
    assert.equal(durationMs(Duration.fromObject({ minutes: 1, seconds: 5 }), 'delay'), 65_000);
  });

  it('never rounds a positive duration down to 0, which means none', () => {
    assert.equal(durationMs(0.0001, 'timeout'), 1);
  });

  it('refuses everything else and names the option', () => {
    const wrong: unknown[] = [-1, NaN, Infinity, '10', null, undefined, {}, [], new Date(), DateTime.utc(), Duration.invalid('x'), 10n];
    for (const value of wrong) {
      assert.throws(
        () => durationMs(value as DurationInput, 'retryDelay'),
        (error) => error instanceof ConfigurationError && error.code === 'bad-duration' && error.message.startsWith('retryDelay '),
      );
    }
  });
});

describe('instantMs', () => {
  it('takes a Date, a luxon DateTime and ISO text with an offset', () => {
    const expected = Date.UTC(2030, 0, 31, 12, 0);
    assert.equal(instantMs(new Date(expected)), expected);
    assert.equal(instantMs(DateTime.fromMillis(expected, { zone: 'Asia/Tokyo' })), expected);
    for (const text of ['2030-01-31T12:00:00Z', '2030-01-31T13:00+01:00', '20300131T120000Z']) {
      assert.equal(instantMs(text), expected);
      assert.equal(instantMs(text, { convertUtc: false }), expected);
    }
  });

  it('reads ISO text without an offset as local time, or as UTC with convertUtc: false', () => {
    process.env['TZ'] = 'America/New_York';
    assert.equal(instantMs('2030-01-31T12:00:00'), Date.UTC(2030, 0, 31, 17));
    assert.equal(instantMs('2030-07-31T12:00:00'), Date.UTC(2030, 6, 31, 16));
    assert.equal(instantMs('2030-01-31'), Date.UTC(2030, 0, 31, 5));
    assert.equal(instantMs('2030-01-31T12:00:00', { convertUtc: true }), Date.UTC(2030, 0, 31, 17));
    assert.equal(instantMs('2030-01-31T12:00:00', { convertUtc: false }), Date.UTC(2030, 0, 31, 12));
  });

  it('takes the first of two equal local times, and moves a skipped one on by what was skipped', () => {
    process.env['TZ'] = 'America/New_York';
    assert.equal(instantMs('2024-11-03T01:30:00'), Date.UTC(2024, 10, 3, 5, 30));
    assert.equal(instantMs('2024-03-10T02:30:00'), Date.UTC(2024, 2, 10, 7, 30));
  });

  it('refuses what is no date, and dates that no message can carry', () => {
    const wrong: unknown[] = [
      '',
      'tomorrow',
      '12:00',
      'T12:00',
      '2030-02-30T00:00:00Z',
      '2030-13-01',
      new Date(NaN),
      DateTime.invalid('x'),
    ];
    wrong.push('1969-12-31T23:59:59Z', '0001-01-01', '+010000-01-01T00:00:00Z', Duration.fromMillis(5), 5, null, undefined, {});
    for (const value of wrong) {
      assert.throws(
        () => instantMs(value as DateInput),
        (error) => error instanceof ConfigurationError && error.code === 'bad-date',
        String(value),
      );
    }
  });
});

describe('wallClock', () => {
  const at = (instant: string, zone: string): string => {
    const { year, month, day, hour, minute, weekday } = wallClock(Date.parse(instant), zone);
    return `${year}-${month}-${day} ${hour}:${minute} ${weekday}`;
  };

  it('reads UTC, local time and IANA zones', () => {
    process.env['TZ'] = 'Asia/Kolkata';
    assert.equal(at('2024-02-29T23:59:59Z', 'UTC'), '2024-2-29 23:59 4');
    assert.equal(at('2024-02-29T23:59:59Z', 'local'), '2024-3-1 5:29 5');
    assert.equal(at('2024-02-29T23:59:59Z', 'America/New_York'), '2024-2-29 18:59 4');
  });

  it('is right on both sides of a change of the clocks, in whatever order one asks', () => {
    assert.equal(at('2024-03-10T07:00:00Z', 'America/New_York'), '2024-3-10 3:0 0');
    assert.equal(at('2024-03-10T06:59:00Z', 'America/New_York'), '2024-3-10 1:59 0');
    assert.equal(at('2024-03-11T00:00:00Z', 'America/New_York'), '2024-3-10 20:0 0');
    assert.equal(at('2024-03-10T00:00:00Z', 'America/New_York'), '2024-3-9 19:0 6');
  });

  it('follows the process when its TZ changes', () => {
    process.env['TZ'] = 'UTC';
    assert.equal(at('2024-01-01T12:00:00Z', 'local'), '2024-1-1 12:0 1');
    process.env['TZ'] = 'Asia/Tokyo';
    assert.equal(at('2024-01-01T12:00:00Z', 'local'), '2024-1-1 21:0 1');
  });
});

describe('checkZone', () => {
  it('knows UTC, local and IANA names, and refuses the rest', () => {
    assert.equal(checkZone('utc'), 'UTC');
    assert.equal(checkZone('local'), 'local');
    assert.equal(checkZone('Europe/Berlin'), 'Europe/Berlin');
    for (const zone of ['', 'Mars/Olympus', '+03:00', 'UTC+3', null, 5, {}]) {
      assert.throws(
        () => checkZone(zone),
        (error) => error instanceof ConfigurationError && error.code === 'bad-zone',
      );
    }
  });
});

describe('luxon', () => {
  const loads = (code: string): boolean => {
    const script = `
      import { createRequire } from 'node:module';
      const clock = await import(${JSON.stringify(CLOCK)});
      ${code}
      console.log(Object.keys(createRequire(${JSON.stringify(CLOCK)}).cache).some((file) => file.includes('luxon')));`;
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim() === 'true';
  };

  it('is not loaded by producers and consumers in UTC, but by zones', () => {
    assert.equal(loads("clock.durationMs(5, 'x'); clock.instantMs(new Date()); clock.checkZone('UTC'); clock.wallClock(0, 'UTC');"), false);
    assert.equal(loads("clock.checkZone('Europe/Berlin');"), true);
  });
});
