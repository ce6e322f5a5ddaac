import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readRuns, writeRun } from '../../bench/control/journal.js';
import { markdown } from '../../bench/control/markdown.js';
import { N_DEFAULT, parseControlOptions } from '../../bench/control/options.js';
import { checkEndings } from '../../bench/control/stage.js';
import { UsageError } from '../../bench/options.js';
import { CheckFailed } from '../../bench/queues/queue-view.js';
import type { Report } from '../../bench/report.js';
import { startNode } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import { tempDir } from '../support/temp-dir.js';

const RUN = fileURLToPath(new URL('../../bench/control.js', import.meta.url));
const SCENARIOS = ['deadline', 'cancel', 'death', 'terminations', 'reload', 'loop-delay'];

describe('npm run bench:control', () => {
  it('stops what does not stop, checks every run, and writes text, JSON and tables (without the other queues)', async (t) => {
    const folder = await tempDir(t);
    const [json, tables] = [path.join(folder, 'results.json'), path.join(folder, 'results.md')];
    const little = ['--quick', '--n', '2', '--terminations', '2', '--no-peers'];
    const bench = startNode([RUN, ...little, '--json', json, '--markdown', tables], { cwd: projectRoot() });
    t.after(() => bench.stop());
    const { code } = await bench.exited;
    assert.equal(code, 0, bench.output());
    assert.match(bench.stdout(), /deadline: 2 endless loops/);
    const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
    assert.deepEqual(
      report.scenarios.map(({ name }) => name),
      SCENARIOS,
    );
    for (const { name, metrics, measured } of report.scenarios) {
      const [ours, ...others] = measured;
      assert.equal(ours?.name, 'huey-runtime');
      const isMeasured = metrics.every((metric) => Number.isFinite(ours.spreads[metric.name]?.median));
      assert.ok(isMeasured || ours.unavailable === 'not available', `${name} has a figure for every metric`);
      for (const other of others) assert.match(other.unavailable ?? '', /^none: /);
    }
    const text = readFileSync(tables, 'utf8');
    for (const name of SCENARIOS) assert.ok(text.includes(`### ${name}\n`), name);
  });

  it('says what it can do, and in one line what it does not understand', async () => {
    const help = startNode([RUN, '--help']);
    assert.equal((await help.exited).code, 0);
    assert.ok(help.stdout().includes(SCENARIOS.join(', ')), help.stdout());
    const wrong = startNode([RUN, '--only', 'everything']);
    assert.equal((await wrong.exited).code, 2);
    assert.match(wrong.stderr(), /^bench:control: there is no scenario "everything"; [^\n]*\n$/);
  });
});

describe('the options of the control benchmarks', () => {
  it('are those of the promises, unless something else is said', () => {
    const { only, n, terminations, peers, quick } = parseControlOptions([], SCENARIOS);
    assert.deepEqual({ only, n, peers, quick }, { only: [], n: N_DEFAULT, peers: true, quick: false });
    assert.ok(terminations < 10_000);
  });

  it('are small with --quick, but what was given counts', () => {
    assert.ok(parseControlOptions(['--quick'], SCENARIOS).n < N_DEFAULT / 10);
    const given = parseControlOptions(['--quick', '--n=7', '--terminations', '10000', '--only', 'cancel, death'], SCENARIOS);
    assert.deepEqual([given.n, given.terminations, given.only], [7, 10_000, ['cancel', 'death']]);
  });

  it('refuse what makes no sense', () => {
    for (const wrong of ['--n=0', '--n=1.5', '--terminations=many', '--rounds=2', 'extra']) {
      assert.throws(() => parseControlOptions([wrong], SCENARIOS), UsageError, wrong);
    }
  });
});

describe('what the control benchmarks look at', () => {
  it('finds the runs of tasks by the time at which they began, and none where none did', async (t) => {
    const file = path.join(await tempDir(t), 'journal');
    assert.deepEqual(readRuns(file), []);
    writeRun(file, 7);
    writeRun(file, 3, 123);
    const [first, second, ...more] = readRuns(file);
    assert.deepEqual([first?.n, first?.loadedAtMs, second?.n, second?.loadedAtMs, more], [7, undefined, 3, 123, []]);
    assert.ok((first?.atMs ?? NaN) <= (second?.atMs ?? NaN));
  });

  it('takes nothing but what should have happened, as often as it should', () => {
    checkEndings({ timeout: 3 }, 'timeout', 3);
    for (const endings of [{}, { timeout: 2 }, { timeout: 3, done: 1 }, { error: 3 }]) {
      assert.throws(() => checkEndings(endings, 'timeout', 3), CheckFailed);
    }
  });

  it('keeps a table whole, whatever an error says', () => {
    const machine = { cpu: 'x', cores: 1, memoryGiB: 1, system: 's', node: 'v', server: 'r', packages: {} };
    const metrics = [{ name: 'p50', unit: 'ms', better: 'lower' }] as const;
    const failed = { name: 'a', label: 'A', errors: ['one | two\nthree'], runs: {}, spreads: {}, ratios: {} };
    const text = markdown({
      machine,
      rounds: 1,
      n: 1,
      quick: false,
      scenarios: [{ name: 's', title: 't', metrics, measured: [failed], notes: [] }],
    });
    assert.match(text, /\| p50, ms \| failed \|/);
    assert.match(text, /^- ERROR A, one \\\| two three$/m);
  });
});
