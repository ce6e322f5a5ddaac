import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNode } from '../support/child.js';

const ENTRY = new URL('../../src/api/index.js', import.meta.url).href;

/** Writes every module that is imported, one in a line; what is required is in require.cache. */
const TRACE = `
  import { writeSync } from 'node:fs';
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    writeSync(1, 'loads ' + resolved.url + '\\n');
    return resolved;
  }`;

/** Runs a script as a process of its own; gives what it wrote and how it ended. */
async function run(script: string, ...flags: string[]): Promise<{ code: number | null; output: string }> {
  const child = startNode([...flags, '--input-type=module', '--eval', script]);
  const { code } = await child.exited;
  return { code, output: child.output() };
}

function dataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

describe('the entry of the package', () => {
  it('calls each class by its name, also where the files of a thread are joined', async () => {
    const classes = Object.entries(await import('../../src/api/index.js')).filter(([, value]) => /^class\b/.test(String(value)));
    assert.ok(classes.length > 10, 'the classes were found');
    assert.deepEqual(
      classes.map(([, value]) => (value as { name: string }).name),
      classes.map(([name]) => name),
    );
  });

  it('loads no driver, no pool and no calendar, also when tasks are declared and called', async () => {
    const script = `
      import { createRequire } from 'node:module';
      const { MemoryHuey, RedisHuey, SqliteHuey, crontab } = await import(${JSON.stringify(ENTRY)});
      new RedisHuey('r', { url: 'redis://127.0.0.1:1' });
      new SqliteHuey('s');
      const huey = new MemoryHuey('m');
      huey.periodicTask(crontab({ minute: 0 }), function tick() {});
      const add = huey.task({ expires: new Date(Date.now() + 5000), timeout: 5 }, function add(a, b) { return a + b; });
      await add(1, 2);
      await add.schedule({ args: [1, 2], delay: 5 });
      for (const file of Object.keys(createRequire(import.meta.url).cache)) console.log('loads ' + file);
      console.log('end');`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(TRACE))});`;
    const { code, output } = await run(script, '--import', dataUrl(register));
    assert.equal(code, 0, output);
    assert.match(output, /loads .*src\/api\/index\.js/);
    assert.match(output, /loads .*storage\/memory\.js/);
    assert.match(output, /end\n/);
    assert.doesNotMatch(output, /node_modules|storage\/(redis|sqlite)/);
  });

  it('exports the public surface and nothing else', async () => {
    const names = Object.keys((await import(ENTRY)) as object).sort();
    assert.deepEqual(names, [
      'CancelExecution',
      'ConfigurationError',
      'EnqueueFailed',
      'HueyException',
      'LockUnavailable',
      'MalformedMessage',
      'MemoryHuey',
      'PayloadError',
      'RateLimitExceeded',
      'RateLimitReached',
      'RedisHuey',
      'ResultGone',
      'ResultTimeout',
      'ResultsDisabled',
      'RetryTask',
      'SqliteHuey',
      'StorageFull',
      'StorageRefused',
      'StorageUnavailable',
      'TaskCanceled',
      'TaskDead',
      'TaskException',
      'TaskExpired',
      'TaskLocked',
      'TaskRevoked',
      'TaskTimeout',
      'UniqueConflict',
      'chord',
      'createHuey',
      'crontab',
      'currentTask',
      'daily',
      'group',
      'hourly',
      'tuple',
    ]);
  });
});

describe('the life of a producer', () => {
  const SET_UP = `
    const { MemoryHuey } = await import(${JSON.stringify(ENTRY)});
    const huey = new MemoryHuey('m');
    const add = huey.task(function add(a, b) { return a + b; });
    const res = await add(1, 2);`;

  it('ends by itself when nothing is waited for', async () => {
    assert.deepEqual(await run(`${SET_UP} await res.get(); console.log('end');`), { code: 0, output: 'end\n' });
  });

  it('goes on while a result is waited for', async () => {
    const script = `${SET_UP} await res.get({ blocking: true, timeout: 0.05 }).catch((error) => console.log(error.code));`;
    assert.deepEqual(await run(script), { code: 0, output: 'result-timeout\n' });
  });
});
