/** Signals: the first one stops in good order, the second at once, SIGHUP loads new code. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { GOOD_MODULE, RUNNING, startCommand, userProject } from './command.js';

/** A periodic-free way to have a task run: it is enqueued when the module loads in the thread. */
const BUSY_MODULE = `
import { SqliteHuey } from 'huey-runtime';
export const huey = new SqliteHuey('busy');
export const busy = huey.task(async function busy() {
  console.log('busy');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
if (process.argv[1]?.endsWith('call.js')) await busy();
`;
const CALL = "await import('./tasks.js');\n";

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  describe(signal, () => {
    it('stops an idle consumer with exit code 0', async (t) => {
      const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
      const child = startCommand(t, ['tasks.js', '-w', '1'], { cwd });
      await child.waitFor(RUNNING);
      child.kill(signal);
      assert.deepEqual(await child.exited, { code: 0, signal: null });
      assert.match(child.stdout(), /stopped\n$/);
    });

    it('stops one that is still starting', async (t) => {
      const slow = 'console.log("loading");\nawait new Promise((resolve) => setTimeout(resolve, 60_000));\n';
      const cwd = await userProject(t, { 'tasks.js': slow });
      const child = startCommand(t, ['tasks.js', '-w', '1'], { cwd });
      await child.waitFor(/loading/);
      child.kill(signal);
      assert.deepEqual(await child.exited, { code: 0, signal: null });
    });
  });
}

describe('a second signal', () => {
  it('gives back at once what runs, with exit code 0', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': BUSY_MODULE, 'call.js': CALL });
    const consumer = startCommand(t, ['tasks.js', '-w', '1', '--grace', '50'], { cwd });
    await consumer.waitFor(RUNNING);
    await call(t, cwd);
    await consumer.waitFor(/busy/);
    consumer.kill('SIGTERM');
    await consumer.waitFor(/stopping/);
    consumer.kill('SIGTERM');
    assert.deepEqual(await consumer.exited, { code: 0, signal: null });

    const next = startCommand(t, ['tasks.js', '-w', '1'], { cwd });
    await next.waitFor(/busy/);
  });

  it('is not the same Ctrl-C, handed on by a wrapper', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': BUSY_MODULE, 'call.js': CALL });
    const consumer = startCommand(t, ['tasks.js', '-w', '1', '--grace', '1'], { cwd });
    await consumer.waitFor(RUNNING);
    await call(t, cwd);
    await consumer.waitFor(/busy/);
    consumer.kill('SIGINT');
    consumer.kill('SIGINT');
    assert.deepEqual(await consumer.exited, { code: 0, signal: null });
    assert.match(consumer.stdout(), /the grace period is over/);
  });
});

describe('SIGHUP', () => {
  it('while the module still loads starts anew, with the code as it is now', async (t) => {
    const slow = 'console.log("loading");\nawait new Promise((resolve) => setTimeout(resolve, 600_000));\n';
    const cwd = await userProject(t, { 'tasks.js': slow });
    const child = startCommand(t, ['tasks.js', '-w', '1'], { cwd });
    await child.waitFor(/loading/);
    await writeFile(path.join(cwd, 'tasks.js'), GOOD_MODULE);
    child.kill('SIGHUP');
    await child.waitFor(RUNNING);
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  });
});

async function call(t: Parameters<typeof startCommand>[0], cwd: string): Promise<void> {
  const { startNode } = await import('../support/child.js');
  const child = startNode([path.join(cwd, 'call.js')], { cwd });
  t.after(async () => {
    await child.stop();
  });
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
}
