/** Ways to have a consumer reload: SIGHUP, its pid file, the storage, a change of its files. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { TestChild } from '../support/child.js';
import { poll } from '../support/poll.js';
import { projectRoot } from '../support/project-root.js';
import { startRedis } from '../support/redis.js';
import { GOOD_MODULE, RUNNING, runCommand, startCommand, userProject } from './command.js';

const says = (text: string): string => `${GOOD_MODULE}\nconsole.log(${JSON.stringify(text)});\n`;
const RELOADED = /reloaded: the new code has taken over/;

async function start(t: TestContext, args: readonly string[] = [], module = says('first')): Promise<{ cwd: string; child: TestChild }> {
  const cwd = await userProject(t, { 'tasks.js': module });
  const child = startCommand(t, ['tasks.js', '-w', '1', ...args], { cwd });
  await child.waitFor(RUNNING);
  return { cwd, child };
}

async function end(child: TestChild): Promise<void> {
  child.kill('SIGTERM');
  assert.deepEqual(await child.exited, { code: 0, signal: null });
}

describe('SIGHUP', { timeout: 60_000 }, () => {
  it('loads the code as it is now, and the consumer runs on', async (t) => {
    const { cwd, child } = await start(t);
    await writeFile(path.join(cwd, 'tasks.js'), says('second'));
    child.kill('SIGHUP');
    await child.waitFor(RELOADED);
    // What a thread prints takes a way of its own.
    await child.waitFor(/first[^]*second/);
    assert.doesNotMatch(child.stdout(), /stopping|is running[^]*is running/);
    await end(child);
  });

  it('keeps the code from before where the new one does not load, and says why in one line', async (t) => {
    const { cwd, child } = await start(t);
    await writeFile(path.join(cwd, 'tasks.js'), 'throw new Error("broken by the deploy");\n');
    child.kill('SIGHUP');
    await child.waitFor(/not reloaded, the code from before runs on.*broken by the deploy/);
    await writeFile(path.join(cwd, 'tasks.js'), says('mended'));
    child.kill('SIGHUP');
    await child.waitFor(RELOADED);
    await end(child);
  });

  it('loads TypeScript anew, through --import tsx', async (t) => {
    const typed = (text: string): string => `${GOOD_MODULE}\nconst text: string = ${JSON.stringify(text)};\nconsole.log(text);\n`;
    const cwd = await userProject(t, { 'tasks.ts': typed('first') });
    await symlink(path.join(projectRoot(), 'node_modules/tsx'), path.join(cwd, 'node_modules/tsx'), 'dir');
    const child = startCommand(t, ['tasks.ts', '-w', '1', '--import', 'tsx'], { cwd });
    await child.waitFor(RUNNING);
    await writeFile(path.join(cwd, 'tasks.ts'), typed('second'));
    child.kill('SIGHUP');
    await child.waitFor(RELOADED);
    await child.waitFor(/second/);
    await end(child);
  });

  it('writes to a new --logfile, where the one before was moved away', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const log = path.join(cwd, 'consumer.log');
    const child = startCommand(t, ['tasks.js', '-w', '1', '--logfile', log], { cwd });
    await poll('the consumer to run', () => existsSync(log) && RUNNING.test(readFileSync(log, 'utf8')));
    await rename(log, `${log}.1`);
    child.kill('SIGHUP');
    await poll('the new file', () => existsSync(log) && RELOADED.test(readFileSync(log, 'utf8')));
    assert.doesNotMatch(readFileSync(`${log}.1`, 'utf8'), RELOADED);
    await end(child);
  });
});

describe('--pid-file', { timeout: 60_000 }, () => {
  it('leads huey-runtime reload to the consumer, and is removed when it stops', async (t) => {
    const { cwd, child } = await start(t, ['--pid-file', 'consumer.pid']);
    const file = path.join(cwd, 'consumer.pid');
    assert.equal(readFileSync(file, 'utf8'), `${child.pid}\n`);
    await writeFile(path.join(cwd, 'tasks.js'), says('second'));
    const { code, stdout } = await runCommand(t, ['reload', '--pid-file', 'consumer.pid'], { cwd });
    assert.equal(code, 0);
    assert.match(stdout, /asked process \d+ to reload/);
    await child.waitFor(RELOADED);
    await end(child);
    assert.equal(existsSync(file), false);
    const late = await runCommand(t, ['reload', '--pid-file', 'consumer.pid'], { cwd });
    assert.equal(late.code, 1);
    assert.match(late.stderr, /^huey-runtime: no process runs under .*consumer\.pid\n$/);
  });

  it('of a living consumer is refused, that of a dead one is replaced', async (t) => {
    const { cwd, child } = await start(t, ['--pid-file', 'consumer.pid']);
    const second = await runCommand(t, ['tasks.js', '--pid-file', 'consumer.pid'], { cwd });
    assert.equal(second.code, 2);
    assert.match(second.stderr, new RegExp(`^huey-runtime: --pid-file .* process ${child.pid} runs under it already\n$`));
    assert.equal(readFileSync(path.join(cwd, 'consumer.pid'), 'utf8'), `${child.pid}\n`);
    child.kill('SIGKILL');
    await child.exited;
    const third = startCommand(t, ['tasks.js', '-w', '1', '--pid-file', 'consumer.pid'], { cwd });
    await third.waitFor(RUNNING);
    assert.equal(readFileSync(path.join(cwd, 'consumer.pid'), 'utf8'), `${third.pid}\n`);
    await end(third);
  });

  // Elsewhere nobody says when a process began.
  if (process.platform === 'linux')
    it('with the number of a process that began later is stale', async (t) => {
      const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
      const file = path.join(cwd, 'consumer.pid');
      // This process lives, and was not there when the file was written.
      await writeFile(file, `${process.pid}\n`);
      await utimes(file, new Date(0), new Date(0));
      const child = startCommand(t, ['tasks.js', '-w', '1', '--pid-file', file], { cwd });
      await child.waitFor(RUNNING);
      assert.equal(readFileSync(file, 'utf8'), `${child.pid}\n`);
      await end(child);
    });

  it('or --all has to be there', async (t) => {
    for (const args of [[], ['--pid-file', 'x.pid', '--all', '--queue', 'q'], ['--queue', 'q']]) {
      const { code, stderr } = await runCommand(t, ['reload', ...args]);
      assert.equal(code, 2);
      assert.match(stderr, /^huey-runtime: huey-runtime reload takes either --pid-file PATH/);
    }
  });
});

for (const kind of ['sqlite', 'redis'] as const) {
  describe(`huey-runtime reload --all, on ${kind}`, { timeout: 120_000 }, () => {
    it('reaches every consumer of the queue', async (t) => {
      const cwd = await userProject(t, {});
      const server = kind === 'redis' ? await startRedis() : undefined;
      t.after(() => server?.stop());
      const url = server?.url ?? `sqlite:${path.join(cwd, 'queue.db')}`;
      await writeFile(path.join(cwd, 'tasks.js'), says('first'));
      const consumers = [1, 2].map(() => startCommand(t, ['tasks.js', '-w', '1', '--url', url], { cwd }));
      for (const one of consumers) await one.waitFor(RUNNING);
      await writeFile(path.join(cwd, 'tasks.js'), says('second'));
      const { code, stdout, stderr } = await runCommand(t, ['reload', '--all', '--queue', 'cli', '--url', url], { cwd });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /asked 2 consumers of the queue cli to reload/);
      for (const one of consumers) {
        await one.waitFor(RELOADED);
        await one.waitFor(/second/);
        await end(one);
      }
      const nobody = await runCommand(t, ['reload', '--all', '--queue', 'cli', '--url', url], { cwd });
      assert.equal(nobody.code, 1);
      assert.match(nobody.stderr, /no consumer of the queue cli runs/);
    });
  });
}

describe('--watch', { timeout: 60_000 }, () => {
  it('reloads when code changes, in folders that are new too, and not for data or packages', async (t) => {
    const { cwd, child } = await start(t, ['--watch']);
    const reloads = (): number => child.stdout().match(/reloading: /g)?.length ?? 0;
    for (const quiet of ['queue.db', 'node_modules/some.js', 'data.txt']) await writeFile(path.join(cwd, quiet), '1');
    await mkdir(path.join(cwd, '.huey'));
    await writeFile(path.join(cwd, '.huey/own.js'), '1');
    await mkdir(path.join(cwd, 'lib'));
    await writeFile(path.join(cwd, 'lib/text.js'), "export const text = 'from the new folder';\n");
    await writeFile(path.join(cwd, 'tasks.js'), `import { text } from './lib/text.js';\n${GOOD_MODULE}\nconsole.log(text);\n`);
    await child.waitFor(/from the new folder/);
    await child.waitFor(RELOADED);
    const before = reloads();
    await writeFile(path.join(cwd, 'lib/text.js'), "export const text = 'changed below';\n");
    await child.waitFor(/changed below/);
    assert.ok(reloads() > before);
    await end(child);
  });
});
