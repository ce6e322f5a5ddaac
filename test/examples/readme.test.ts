/** The snippets of the README do what it says, typed as they stand there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnv, RUNNING, startCommand, userProject } from '../cli/command.js';
import { startNode } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import type { Cleanup } from '../support/temp-dir.js';

/** Each begins with its own name: `// tasks.js`. */
const snippets = Object.fromEntries(
  [...readFileSync(path.join(projectRoot(), 'README.md'), 'utf8').matchAll(/```[jt]s\n\/\/ (\S+)\n([^]*?)```/g)].map(
    ([, name = '', code = '']) => [name, code],
  ),
);

describe('the README', () => {
  it('starts a consumer whose tasks another process calls', async (t) => {
    const cwd = await userProject(t, snippets);
    const consumer = startCommand(t, ['tasks.js', '--workers', '4'], { cwd });
    await consumer.waitFor(RUNNING);
    assert.equal(await run(t, cwd, 'call.js'), 'Counted 100 beans\nCounted 200 beans\nCounted 1 beans\nCounted 2 beans\nCounted 3 beans\n');
    await consumer.waitFor(/-- counted 100 beans --/);
  });

  it('embeds a consumer', async (t) => {
    const cwd = await userProject(t, snippets);
    const output = await run(t, cwd, 'embedded.js');
    assert.match(output, /^Counted 7 beans$/m);
    assert.match(output, /^countBeans took [\d.e-]+ s$/m);
  });

  it('runs TypeScript as it is', async (t) => {
    const cwd = await userProject(t, snippets);
    await symlink(path.join(projectRoot(), 'node_modules/tsx'), path.join(cwd, 'node_modules/tsx'), 'dir');
    const consumer = startCommand(t, ['typed.ts', '--import', 'tsx'], { cwd });
    await consumer.waitFor(/is running {2}queue=typed /);
  });
});

async function run(t: Cleanup, cwd: string, file: string): Promise<string> {
  const child = startNode([path.join(cwd, file)], { cwd, env: cleanEnv() });
  t.after(async () => {
    await child.stop();
  });
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
  return child.stdout();
}
