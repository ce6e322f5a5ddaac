/** What a thread loads before its first task. All of it is paid at every start, also when a thread that was ended is replaced. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNode } from '../support/child.js';

const WORKER = new URL('../../src/actors/worker.js', import.meta.url).href;
const ENTRY = new URL('../../src/api/index.js', import.meta.url).href;

describe('the start of a thread', () => {
  it('loads no foreign package, and of node neither crypto nor zlib nor dns', async () => {
    const script = `
      import { createRequire } from 'node:module';
      await import(${JSON.stringify(WORKER)});
      const { crontab, RedisHuey, SqliteHuey } = await import(${JSON.stringify(ENTRY)});
      new SqliteHuey('s');
      const huey = new RedisHuey('r', { url: 'redis://127.0.0.1:1' });
      huey.task({ retries: 2, timeout: 5, concurrencyKey: 'key' }, function add(a, b) { return a + b; });
      huey.periodicTask(crontab({ minute: 0 }), function tick() {});
      huey.lockTask('lock');
      // Each of the foreign packages is CommonJS, or leads to some: that is listed here.
      for (const file of Object.keys(createRequire(import.meta.url).cache)) console.log('required ' + file);
      for (const name of process.moduleLoadList) console.log(name);
      console.log('end');`;
    const child = startNode(['--input-type=module', '--eval', script]);
    const { code } = await child.exited;
    const lines = child.output().split('\n');
    assert.equal(code, 0, child.output());
    assert.ok(lines.includes('end'));
    assert.ok(lines.includes('NativeModule worker_threads'), 'node tells what it has loaded');
    const late = ['crypto', 'zlib', 'dns'].map((name) => `NativeModule ${name}`);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('required ') || late.includes(line)),
      [],
    );
  });
});
