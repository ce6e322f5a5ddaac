/** What the command says to whoever types it: help, version, and one line with exit code 2 for every mistake. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readCommandLine } from '../../bin/command-line.js';
import { nearest } from '../../bin/nearest.js';
import { OPTION_NAMES, optionOf, variableOf } from '../../bin/options.js';
import { settingsOf } from '../../bin/settings.js';
import { UsageError } from '../../bin/values.js';
import { projectRoot } from '../support/project-root.js';
import { GOOD_MODULE, runCommand, userProject } from './command.js';

describe('huey-runtime --help', () => {
  it('names every option with its letter, its default and its variable', async (t) => {
    const { code, stdout, stderr } = await runCommand(t, ['--help']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    const text = stdout.replace(/\s+/g, ' ');
    for (const name of OPTION_NAMES) {
      const { letter, byDefault } = optionOf(name);
      assert.ok(text.includes(letter === undefined ? ` --${name} ` : ` -${letter}, --${name} `), `--${name}`);
      const variable = variableOf(name);
      if (variable !== undefined) assert.ok(text.includes(`(${variable})`), variable);
      if (byDefault !== undefined) assert.ok(text.includes(`[default: ${byDefault}]`), `default of --${name}`);
    }
  });

  it('is grouped, and shows how the command is used', async (t) => {
    const { stdout } = await runCommand(t, ['-h']);
    for (const heading of ['What to run:', 'Log:', 'Examples:', 'huey-runtime --workers 8 --module tasks.js']) {
      assert.ok(stdout.includes(heading), heading);
    }
  });
});

describe('huey-runtime --version', () => {
  it("is the package's", async (t) => {
    const { version } = JSON.parse(readFileSync(path.join(projectRoot(), 'package.json'), 'utf8')) as { version: string };
    assert.deepEqual(await runCommand(t, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('a command line that cannot work', () => {
  it('ends with exit code 2 and one line on standard error', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const wrong: [args: string[], says: RegExp][] = [
      [[], /name the file that declares the tasks/],
      [['--wrokers', '8', 'tasks.js'], /unknown option --wrokers; did you mean --workers\?/],
      [['nowhere.js'], /there is no file nowhere\.js/],
      [['.'], /is a folder/],
      [['tasks.js', '--workers', '0'], /--workers is 0, and must be from 1 to 1024/],
      [['tasks.js', '--concurrency', '1001'], /--concurrency is 1001, and must be from 1 to 1000/],
      [['tasks.js', '--max-tasks', '0'], /--max-tasks is 0, and must be from 1/],
      [['tasks.js', '--scheduler-interval', '7'], /--scheduler-interval is 7, which is no factor of 60/],
      [['tasks.js', '--url', 'http://127.0.0.1'], /--url must begin with redis:\/\/.*it begins with http:/],
      [['tasks.js', '--redis', 'sqlite:a.db'], /--redis/],
      [['tasks.js', '--logfile', 'no/such/folder/log'], /--logfile cannot be opened/],
      [['tasks.js', '-v', '-q'], /--verbose and --quiet/],
      [['tasks.js', '-o', '-u'], /--localtime and --utc/],
    ];
    for (const [args, says] of wrong) {
      const { code, stdout, stderr } = await runCommand(t, args, { cwd });
      assert.equal(code, 2, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, /^huey-runtime: [^\n]+\n$/);
      assert.match(stderr, says);
    }
  });

  it('names the variable where the mistake is in one', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const { code, stderr } = await runCommand(t, ['tasks.js'], { cwd, env: { HUEY_WORKERS: 'many' } });
    assert.deepEqual({ code, stderr }, { code: 2, stderr: 'huey-runtime: HUEY_WORKERS takes a number, and not "many"\n' });
  });
});

describe('the options', () => {
  it('are read in every spelling, with the letters of Huey', async () => {
    const values = await read(['-w8', '-n', '-s', '5', '--grace=2.5', '--import', 'a', '--import', 'b', '-vS', 'tasks.js']);
    assert.equal(values.number('workers'), 8);
    assert.equal(values.flag('no-periodic'), true);
    assert.equal(values.number('scheduler-interval'), 5);
    assert.equal(values.number('grace'), 2.5);
    assert.deepEqual(values.list('import'), ['a', 'b']);
    assert.equal(values.flag('verbose'), true);
    assert.equal(values.flag('simple'), true);
    assert.equal(values.text('module'), 'tasks.js');
    assert.equal(values.has('lease'), false);
  });

  it('become those of the supervisor', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const { supervisor, all } = settingsOf(await read(['tasks.js', '-M', '100', '-f', '-L', 'a, b,', '--all', '--concurrency=5']), cwd);
    assert.deepEqual([supervisor.maxTasks, supervisor.concurrency], [100, 5]);
    assert.deepEqual([supervisor.flushLocks, supervisor.extraLocks, all], [true, ['a', 'b'], true]);
  });

  it('count as they are given last', async () => {
    const values = await read(['tasks.js', '-w', '2', '--workers', '3']);
    assert.equal(values.number('workers'), 3);
  });

  it('come from the environment where the command line does not say', async () => {
    const env = { HUEY_MODULE: 'a.js', HUEY_WORKERS: '3', HUEY_NO_PERIODIC: '1', HUEY_LOCALTIME: 'no', HUEY_IMPORT: 'a,b', HUEY_GRACE: '' };
    const values = await read(['--workers', '4'], env);
    assert.equal(values.text('module'), 'a.js');
    assert.equal(values.number('workers'), 4);
    assert.equal(values.flag('no-periodic'), true);
    assert.equal(values.flag('localtime'), false);
    assert.deepEqual(values.list('import'), ['a', 'b']);
    assert.equal(values.has('grace'), false);
  });

  it('leave HUEY_URL to createHuey: a module that names its storage keeps it', async () => {
    assert.equal((await read(['tasks.js'], { HUEY_URL: 'memory:', HUEY_REDIS: 'a:1' })).has('url'), false);
  });

  it('are refused with the nearest name, or where values are missing, wrong, or too many', async () => {
    const wrong: [args: string[], says: RegExp][] = [
      [['--worker', '3'], /--worker; did you mean --workers/],
      [['--no-workers'], /did you mean --workers/],
      [['--schedule-interval=3'], /--schedule-interval; did you mean --scheduler-interval/],
      [['--vresion'], /did you mean --version/],
      [['--xyzzy'], /unknown option --xyzzy; see huey-runtime --help/],
      [['-x'], /unknown option -x/],
      [['--workers.a', '3'], /unknown option --workers\.a/],
      [['--__proto__', '3'], /unknown option/],
      [['--workers'], /--workers needs a value/],
      [['-w'], /--workers needs a value/],
      [['--workers', '--quiet'], /--workers needs a value/],
      [['--workers='], /--workers takes a number/],
      [['--workers', '3x'], /--workers takes a number, and not "3x"/],
      [['--module='], /--module needs a value/],
      [['--quiet=maybe'], /--quiet takes no value/],
      [['--log-format', 'jsn'], /--log-format is one of text, json, and not "jsn"; did you mean json\?/],
      [['a.js', 'b.js'], /there is also "b\.js"/],
      [['a.js', '--module', 'b.js'], /there is also "a\.js"/],
    ];
    for (const [args, says] of wrong)
      await assert.rejects(read(args), (error) => error instanceof UsageError && says.test(error.message), args.join(' '));
  });
});

describe('the nearest name', () => {
  it('has letters missing, swapped, changed, or breaks off early', () => {
    const names = ['workers', 'grace', 'localtime', 'log-level'];
    const meant = ['workrs', 'wrokers', 'warkers', 'work', 'local', 'loglevel'].map((word) => nearest(word, names));
    assert.deepEqual(meant, ['workers', 'workers', 'workers', 'workers', 'localtime', 'log-level']);
  });

  it('is none where nothing is near', () => {
    assert.equal(nearest('zzzzzz', ['workers', 'grace']), undefined);
  });
});

async function read(argv: readonly string[], env: Record<string, string> = {}) {
  const command = await readCommandLine(argv, env);
  assert.equal(command.kind, 'run');
  return command.values;
}
