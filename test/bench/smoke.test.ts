import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../bench/report.js';
import { startNode } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import { tempDir } from '../support/temp-dir.js';

const RUN = fileURLToPath(new URL('../../bench/run.js', import.meta.url));

describe('npm run bench', () => {
  it('measures, checks every run, and writes table, JSON and chart (without the other queues)', async (t) => {
    const folder = await tempDir(t);
    const [json, svg] = [path.join(folder, 'results.json'), path.join(folder, 'results.svg')];
    const only = ['--only', 'drain-noop,enqueue-bulk', '--systems', 'huey-runtime,huey-sqlite,bare'];
    const bench = startNode([RUN, '--quick', '--n', '1000', ...only, '--json', json, '--svg', svg], { cwd: projectRoot() });
    const { code } = await bench.exited;
    assert.equal(code, 0, bench.output());
    assert.match(bench.stdout(), /drain-noop: 1000 tasks/);
    const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
    assert.deepEqual(
      report.scenarios.map(({ name, measured }) => [name, measured.map((one) => one.name)]),
      [
        ['drain-noop', ['huey-runtime', 'huey-sqlite', 'bare']],
        ['enqueue-bulk', ['huey-runtime', 'huey-sqlite']],
      ],
    );
    for (const { measured } of report.scenarios) for (const one of measured) assert.ok((one.spreads['rate']?.median ?? 0) > 0, one.label);
    assert.match(readFileSync(svg, 'utf8'), /^<svg /);
  });

  it('lists its scenarios, and says in one line what it does not understand', async () => {
    const list = startNode([RUN, '--list']);
    assert.equal((await list.exited).code, 0);
    assert.match(list.stdout(), /^drain-noop\n/);
    const wrong = startNode([RUN, '--only', 'everything']);
    assert.equal((await wrong.exited).code, 2);
    assert.match(wrong.stderr(), /^bench: there is no scenario "everything"; [^\n]*\n$/);
  });
});
