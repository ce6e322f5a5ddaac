/** docs/from-huey.md names nothing that is not there: every name on the right exists in the package. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { OPTIONS } from '../../bin/options.js';
import * as api from '../../src/api/index.js';
import { projectRoot } from '../support/project-root.js';

const page = readFileSync(path.join(projectRoot(), 'docs/from-huey.md'), 'utf8');
const right = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| Huey |'))
  .map((line) => line.split('|').at(-2) ?? '');
const words = right.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code));

describe('docs/from-huey.md', () => {
  it('names methods of a Huey, a task and a result that are there', async (t) => {
    const huey = new api.MemoryHuey('from-huey', { immediate: true });
    t.after(() => huey.close());
    const task = huey.task(function task() {});
    const objects: Record<string, unknown> = {
      huey,
      task,
      res: await task(),
      lock: huey.lockTask('a'),
      results: await huey.enqueue(api.group([task.s()])),
    };
    let count = 0;
    for (const [, name = '', method = ''] of words.join('\n').matchAll(/\b(huey|task|res|lock|results)\.(\w+)/g)) {
      count += 1;
      assert.ok(method in Object(objects[name]), `${name}.${method}`);
    }
    assert.ok(count > 60, String(count));
  });

  it('names classes and functions that are exported', () => {
    const exported = Object.keys(api);
    const classes = words.flatMap((code) => /^([A-Z][A-Za-z]+)$/.exec(code)?.[1] ?? []).filter((name) => name !== 'Result');
    assert.ok(classes.length > 15);
    for (const name of classes) assert.ok(exported.includes(name), name);
    for (const name of ['createHuey', 'crontab', 'hourly', 'daily', 'tuple', 'group', 'chord', 'currentTask']) {
      assert.ok(exported.includes(name), name);
      assert.ok(
        words.some((code) => code.includes(name)),
        name,
      );
    }
  });

  it('has a row for every option of the consumer that Huey has', () => {
    const left = page.split('\n').filter((line) => line.startsWith('| `-'));
    for (const [name, option] of Object.entries(OPTIONS)) {
      if ('letter' in option)
        assert.ok(
          left.some((line) => line.includes(`\`--${name}\``)),
          name,
        );
    }
  });
});
