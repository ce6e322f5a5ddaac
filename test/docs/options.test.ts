/** docs/options.md says what the code does: each option with its default and variable, each limit with its value. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { variableFor, type OptionTable } from '../../bin/option.js';
import { OPTIONS } from '../../bin/options.js';
import { TOOL_OPTIONS, TOOLS } from '../../bin/tool-options.js';
import { HUEY_KEYS } from '../../src/api/huey-options.js';
import { MemoryHuey } from '../../src/api/index.js';
import { checkSupervisorOptions } from '../../src/actors/supervisor-options.js';
import * as limits from '../../src/runtime/limits.js';
import { projectRoot } from '../support/project-root.js';

const page = readFileSync(path.join(projectRoot(), 'docs/options.md'), 'utf8');

/** The rows of all tables of a chapter, cell by cell. */
function rowsOf(chapter: string): string[][] {
  const [, text = ''] = new RegExp(`^## ${chapter}\\n([^]*?)(?=^## |$(?![^]))`, 'm').exec(page) ?? [];
  const rows = text.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| option |') && !line.startsWith('| what |'));
  assert.ok(rows.length > 0, chapter);
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What is no option of the command, but of the code: units, sizes of batches. */
const INTERNAL = /^(SECOND|MINUTE|HOUR|DAY)_MS$|^(BATCH|PROMOTE|CHUNK)_/;

const MS = { ms: 1, s: limits.SECOND_MS, min: limits.MINUTE_MS, h: limits.HOUR_MS, day: limits.DAY_MS, days: limits.DAY_MS };
const BYTES = { KiB: 1024, MiB: 1024 * 1024 };

describe('docs/options.md', () => {
  for (const [chapter, table] of [
    ['The consumer', OPTIONS],
    ['The commands beside it', TOOL_OPTIONS],
  ] as [string, OptionTable][]) {
    it(`has every option of "${chapter}" with its letter, default and variable, and no other`, () => {
      const rows = rowsOf(chapter).filter(([first = '']) => /^`-/.test(first));
      const shown = rows.map(([first, byDefault, variable]) => `${first} | ${byDefault} | ${variable}`);
      const expected = Object.entries(table).map(([name, option]) => {
        const { letter, byDefault = '' } = option;
        const names = `${letter === undefined ? '' : `\`-${letter}\`, `}\`--${name}\``;
        const variable = variableFor(name, option);
        // The machine that runs this has its own number of cores.
        return `${names} | ${byDefault.replace(/^cores: .*/, 'cores')} | ${variable === undefined ? '' : `\`${variable}\``}`;
      });
      assert.deepEqual(shown.sort(), expected.sort());
    });
  }

  it('has every command', () => {
    const shown = rowsOf('The commands beside it').flatMap(([first = '']) => /^`huey-runtime (.*)`$/.exec(first)?.[1] ?? []);
    assert.deepEqual(
      shown,
      Object.values(TOOLS).map(({ usage }) => usage),
    );
  });

  it('has every limit with its value', () => {
    const shown = new Map(rowsOf('Limits').map(([, value = '', name = '']) => [name.replaceAll('`', ''), value]));
    for (const [name, value] of Object.entries(limits)) {
      if (INTERNAL.test(name)) continue;
      const text = shown.get(name);
      assert.ok(text !== undefined, `${name} has no row`);
      assert.equal(numberOf(text), value, `${name} is ${text}`);
      shown.delete(name);
    }
    assert.deepEqual([...shown.keys()], []);
  });

  it('has every option of a Huey, with its default', () => {
    const rows = new Map(rowsOf('A Huey').map(([name = '', byDefault]) => [name.replaceAll('`', ''), byDefault]));
    assert.deepEqual([...rows.keys()].filter((name) => name !== 'storage').sort(), [...HUEY_KEYS].sort());
    const { settings, immediate } = new MemoryHuey('options');
    assert.equal(rows.get('results'), String(settings.results));
    assert.equal(rows.get('storeNone'), String(settings.storeNone));
    assert.equal(rows.get('storeIntermediateErrors'), String(settings.storeIntermediateErrors ?? false));
    assert.equal(rows.get('immediate'), String(immediate));
    assert.equal(settings.resultTtlMs, limits.DAY_MS);
    assert.equal(rows.get('resultTtl'), 'a day');
  });

  it('has the defaults and ranges of a task', () => {
    const rows = new Map(rowsOf('A task, and a call of it').map(([name = '', ...rest]) => [/^`(\w+)`/.exec(name)?.[1] ?? name, rest]));
    const huey = new MemoryHuey('options');
    huey.task({ name: 'plain' }, () => undefined);
    const { retries, retryDelayMs, retryBackoff, priority, timeoutMs, graceMs } = huey.registry.get('plain')?.settings ?? {};
    assert.deepEqual(
      { retries, retryDelayMs, retryBackoff, priority, timeoutMs },
      { retries: 0, retryDelayMs: 0, retryBackoff: 1, priority: 0, timeoutMs: 0 },
    );
    for (const name of ['retries', 'retryDelay', 'priority']) assert.equal(rows.get(name)?.[0], '0', name);
    assert.equal(rows.get('retryBackoff')?.[0], '1');
    assert.equal(rows.get('timeout')?.[0], 'none');
    assert.equal(Number(rows.get('grace')?.[0]) * limits.SECOND_MS, graceMs);
    assert.equal(Number(rows.get('catchUp')?.[0]) * limits.SECOND_MS, limits.CATCH_UP_MS);
    const ranges: [name: string, range: string][] = [
      ['name', `up to ${limits.NAME_MAX_CHARS} characters`],
      ['retries', `0 to ${limits.RETRIES_MAX}`],
      ['retryBackoff', `1 to ${limits.RETRY_BACKOFF_MAX}`],
      ['priority', `-${limits.PRIORITY_MAX} to ${limits.PRIORITY_MAX}`],
      ['timeout', `at most ${limits.TIMEOUT_MAX_MS / limits.DAY_MS} days`],
      ['grace', `at most ${limits.TIMEOUT_MAX_MS / limits.DAY_MS} days`],
      ['resultTtl', `1 s to ${limits.RESULT_TTL_MAX_MS / limits.DAY_MS} days`],
    ];
    for (const [name, range] of ranges) assert.equal(rows.get(name)?.[1], range, name);
    assert.equal(limits.RETRY_DELAY_MAX_MS, limits.DAY_MS);
    assert.equal(limits.CATCH_UP_MAX_MS, limits.DAY_MS);
  });

  it('has the ranges of a supervisor', () => {
    const fits = (options: object): boolean => {
      try {
        checkSupervisorOptions({ module: 'tasks.js', ...options });
        return true;
      } catch {
        return false;
      }
    };
    const meaning = new Map(rowsOf('The consumer').map((cells) => [cells[3]?.replaceAll('`', '') ?? '', cells[4] ?? '']));
    for (const name of ['workers', 'grace', 'lease', 'healthPort']) {
      const [, least = '', most = ''] = /([\d.]+) to (\d+)/.exec(meaning.get(name) ?? '') ?? [];
      const [low, high] = [Number(least), Number(most)];
      assert.ok(fits({ [name]: low }) && fits({ [name]: high }), name);
      assert.ok(!fits({ [name]: low - 0.5 }) && !fits({ [name]: high + 1 }), name);
    }
  });
});

function numberOf(text: string): number {
  const [, number = '', unit] = /^(\d+)(?: (\w+))?$/.exec(text) ?? [];
  return Number(number) * (unit === undefined ? 1 : (({ ...MS, ...BYTES } as Record<string, number>)[unit] ?? NaN));
}
