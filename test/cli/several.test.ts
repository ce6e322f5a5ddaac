/** A module with several Hueys: a consumer for one of them, or one for each; and locks that are flushed at start. */
import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { createSupervisors } from '../../src/actors/index.js';
import { SqliteHuey } from '../../src/api/index.js';
import { startNode } from '../support/child.js';
import { poll } from '../support/poll.js';
import { projectRoot } from '../support/project-root.js';
import { RUNNING, runCommand, startCommand, userProject } from './command.js';

const SEVERAL = `
import { SqliteHuey } from 'huey-runtime';
export const one = new SqliteHuey('beans');
export const two = new SqliteHuey('peas');
const elsewhere = new SqliteHuey('pods');
export const countBeans = one.task(function countBeans(n) { console.log('counted ' + n + ' beans'); return countPeas(n).then(() => n); });
export const countPeas = two.task(function countPeas(n) { console.log('counted ' + n + ' peas'); return n; });
`;
const CALL = `
import { countBeans } from './tasks.js';
const res = await countBeans(3);
console.log('value ' + await res.get({ blocking: true, timeout: 20 }));
`;

describe('a module with several Hueys', () => {
  it('runs the one whose queue --huey names, or whose export', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': SEVERAL });
    for (const [named, queue] of [
      ['peas', 'peas'],
      ['one', 'beans'],
    ] as const) {
      const child = startCommand(t, ['tasks.js', '--huey', named, '-w', '1'], { cwd });
      await child.waitFor(new RegExp(`is running {2}queue=${queue} `));
      await child.stop();
    }
    const { code, stderr } = await runCommand(t, ['tasks.js', '--huey', 'carrots'], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /--huey carrots: the module has no Huey .*\("beans", "peas", "pods"\)/);
  });

  it('runs all that have tasks with --all, each with workers of its own, and stops them together', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': SEVERAL, 'call.js': CALL });
    const consumer = startCommand(t, ['tasks.js', '--all', '-w', '1'], { cwd });
    await consumer.waitFor(/is running {2}queue=beans [^\n]*workers=1 tasks=1/);
    await consumer.waitFor(/is running {2}queue=peas [^\n]*workers=1 tasks=1/);
    assert.doesNotMatch(consumer.output(), /queue=pods/);
    const producer = startNode([path.join(cwd, 'call.js')], { cwd });
    await producer.waitFor(/value 3/);
    await consumer.waitFor(/counted 3 beans/);
    await consumer.waitFor(/counted 3 peas/);
    consumer.kill('SIGTERM');
    assert.deepEqual(await consumer.exited, { code: 0, signal: null });
    assert.match(consumer.stdout(), /stopped {2}queue=beans/);
    assert.match(consumer.stdout(), /stopped {2}queue=peas/);
  });

  it('does not start with --all where one cannot, or the module does not load, or nothing has tasks', async (t) => {
    const cwd = await userProject(t, {
      'tasks.js': SEVERAL,
      'broken.js': '\nthrow new Error("no beans");\n',
      'bare.js': "import { SqliteHuey } from 'huey-runtime';\nexport const a = new SqliteHuey('a');\n",
      'twice.js': SEVERAL.replace("'peas'", "'beans'"),
    });
    const wrong: [args: string[], code: number, says: RegExp][] = [
      [['broken.js', '--all'], 1, /broken\.js does not load: Error: no beans\n {2}at .*broken\.js:2:7/],
      [['bare.js', '--all'], 1, /no Huey with tasks/],
      [['twice.js', '--all'], 1, /two Hueys of the queue "beans"/],
      [['tasks.js', '--all', '--url', 'sqlite:one-file.db'], 1, /cannot start: .*queue/],
      [['tasks.js', '--all', '--huey', 'one'], 2, /--all and --huey/],
      [['tasks.js', '--all', '--workers', '0'], 2, /--workers is 0/],
    ];
    for (const [args, expected, says] of wrong) {
      const { code, stderr } = await runCommand(t, args, { cwd });
      assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, says);
    }
  });

  it('is embedded as one that starts, tells and stops together', async (t) => {
    // The consumer is in this process, which stands in another folder.
    const beside = SEVERAL.replace(/SqliteHuey\('(\w+)'\)/g, "SqliteHuey('$1', { filename: import.meta.dirname + '/$1.db' })");
    const cwd = await userProject(t, { 'tasks.js': beside, 'call.js': CALL });
    const supervisors = createSupervisors({ module: path.join(cwd, 'tasks.js'), workers: 1 });
    const queues: string[] = [];
    const completed: string[] = [];
    supervisors.on('ready', ({ queue }) => queues.push(queue));
    await supervisors.start();
    supervisors.on('complete', ({ task }) => completed.push(task.name));
    t.after(() => supervisors.stop({ grace: 0 }));
    assert.deepEqual(queues.sort(), ['beans', 'peas']);
    const producer = startNode([path.join(cwd, 'call.js')], { cwd });
    await producer.waitFor(/value 3/);
    await poll('both events', () => completed.length === 2);
    assert.deepEqual(completed.sort(), ['countBeans', 'countPeas']);
    await assert.rejects(supervisors.start(), { code: 'started-before' });
    await supervisors.stop();
  });

  it('may be TypeScript', async (t) => {
    const cwd = await userProject(t, { 'tasks.ts': `enum Bean { Red }\n${SEVERAL}\nexport const bean: Bean = Bean.Red;\n` });
    await symlink(path.join(projectRoot(), 'node_modules/tsx'), path.join(cwd, 'node_modules/tsx'), 'dir');
    const child = startCommand(t, ['tasks.ts', '--all', '--import', 'tsx', '-w', '1'], { cwd });
    await child.waitFor(/is running {2}queue=beans/);
    await child.waitFor(/is running {2}queue=peas/);
    const { code, stdout } = await runCommand(t, ['status', '--module', 'tasks.ts', '--huey', 'two', '--import', 'tsx', '--json'], { cwd });
    assert.equal(code, 0);
    const { queue, consumers } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual({ queue, consumers }, { queue: 'peas', consumers: 1 });
  });

  it('can be stopped while the module loads', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': 'console.error("loading");\nawait new Promise((r) => setTimeout(r, 60_000));\n' });
    const child = startCommand(t, ['tasks.js', '--all'], { cwd });
    await child.waitFor(/loading/);
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
  });
});

describe('locks', () => {
  const MODULE =
    "import { SqliteHuey } from 'huey-runtime';\nexport const huey = new SqliteHuey('cli');\nhuey.task(function hello() {});\n";

  for (const [args, held, left] of [
    [['-f'], 'a, b|b, a', []],
    [['--extra-locks', 'b,c'], 'b', ['a']],
  ] as const) {
    it(`are flushed at start with ${args.join(' ')}, and one line says which were held`, async (t) => {
      const cwd = await userProject(t, { 'tasks.js': MODULE });
      const huey = new SqliteHuey('cli', { filename: path.join(cwd, '.huey/cli.db') });
      t.after(() => huey.close());
      for (const name of ['a', 'b']) await huey.lockTask(name).acquire();
      const child = startCommand(t, ['tasks.js', '-w', '1', ...args], { cwd });
      await child.waitFor(RUNNING);
      assert.match(child.stdout(), new RegExp(`flushed locks {2}held="?(${held})"?\\n`));
      for (const name of ['a', 'b']) assert.equal(await huey.isLocked(name), (left as readonly string[]).includes(name), name);
    });
  }
});
