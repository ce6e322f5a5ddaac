/** What happens when a consumer starts, or cannot: the import's own error, no stack trace, exit code 1. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { poll } from '../support/poll.js';
import { projectRoot } from '../support/project-root.js';
import { tempDir } from '../support/temp-dir.js';
import { GOOD_MODULE, RUNNING, runCommand, startCommand, userProject } from './command.js';

describe('a module that cannot be used', () => {
  const broken: Record<string, { files: Record<string, string>; says: RegExp; at?: RegExp }> = {
    'throws while it loads': {
      files: { 'tasks.js': 'export const a = 1;\n\nthrow new TypeError("the beans are gone");\n' },
      says: /tasks\.js does not load: TypeError: the beans are gone/,
      at: /tasks\.js:3:7/,
    },
    'throws in a file that it imports': {
      files: { 'tasks.js': 'import "./lib/deep.js";\n', 'lib/deep.js': '\nnull.beans;\n' },
      says: /TypeError: Cannot read properties of null/,
      at: /lib\/deep\.js:2:6/,
    },
    'is no JavaScript': {
      files: { 'tasks.js': 'export const a = 1;\nlet b = = 2;\n' },
      says: /SyntaxError: Unexpected token '='/,
      at: /tasks\.js:2/,
    },
    'imports a name that is not there': {
      files: { 'tasks.js': 'import { nothing } from "./other.js";\n', 'other.js': 'export const a = 1;\n' },
      says: /SyntaxError: .*does not provide an export named 'nothing'/,
      at: /tasks\.js:1/,
    },
    'imports a file that is not there': { files: { 'tasks.js': 'import "./missing.js";\n' }, says: /Cannot find module .*missing\.js/ },
    'imports a package that is not installed': {
      files: { 'tasks.js': 'import "no-such-package-of-beans";\n' },
      says: /Cannot find package 'no-such-package-of-beans'/,
    },
    'throws something that is no error': { files: { 'tasks.js': 'throw null;\n' }, says: /thrown value: null/ },
    'ends its thread': { files: { 'tasks.js': 'process.exit(3);\n' }, says: /the thread died before the module was loaded/ },
    'has no Huey': { files: { 'tasks.js': 'export const a = 1;\n' }, says: /the module made no Huey/ },
    'has several': {
      files: {
        'tasks.js': `
import { MemoryHuey } from 'huey-runtime';
export const one = new MemoryHuey('beans');
export const two = new MemoryHuey('peas');
`,
      },
      says: /several Hueys \("beans", "peas"\).*--huey/,
    },
    'has two tasks of one name': {
      files: { 'tasks.js': `${GOOD_MODULE}\nhuey.task({ name: 'hello' }, () => 1);\n` },
      says: /two tasks have the same name: "hello"/,
    },
    'has a task without a name': {
      files: { 'tasks.js': `${GOOD_MODULE}\nhuey.task(() => 1);\n` },
      says: /a task needs a name/,
      at: /tasks\.js:6:6/,
    },
    'is TypeScript that nobody can load': {
      files: { 'tasks.ts': 'export enum Bean { Red }\n' },
      says: /tsx|TypeScript/i,
    },
  };

  for (const [what, { files, says, at }] of Object.entries(broken)) {
    it(`${what}: one or two lines, exit code 1`, async (t) => {
      const cwd = await userProject(t, files);
      const { code, stderr } = await runCommand(t, [Object.keys(files)[0] ?? '', '--workers', '1'], { cwd });
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
      assert.match(stderr, /^huey-runtime: cannot start: [^\n]+\n( {2}at [^\n]+\n)?$/);
      if (at !== undefined) assert.match(stderr, at);
    });
  }

  it('shows the stack with --log-level debug', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': 'throw new Error("beans");\n' });
    const { code, stdout } = await runCommand(t, ['tasks.js', '--log-level', 'debug'], { cwd });
    assert.equal(code, 1);
    assert.match(stdout, /Error: beans\n\s+at .*tasks\.js:1:7/);
  });

  it('is told as JSON where the log is JSON', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': 'export const a = 1;\n' });
    const { stderr } = await runCommand(t, ['tasks.js', '--log-format', 'json'], { cwd });
    const { level, message } = JSON.parse(stderr) as { level: string; message: string };
    assert.equal(level, 'error');
    assert.match(message, /no Huey/);
  });
});

describe('a consumer that starts', () => {
  it('says in one line what runs', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const child = startCommand(t, ['--module', 'tasks.js', '-w', '1'], { cwd });
    await child.waitFor(RUNNING);
    assert.match(
      child.stdout(),
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}huey-runtime is running {2}queue=cli storage=\S+ workers=1 tasks=1 periodic=0\n/m,
    );
    assert.equal(child.stderr(), '');
  });

  it('takes the Huey that --huey names', async (t) => {
    const module = `import { MemoryHuey } from 'huey-runtime';\nexport const one = new MemoryHuey('beans');\nexport const two = new MemoryHuey('peas');\n`;
    const cwd = await userProject(t, { 'tasks.js': module });
    const child = startCommand(t, ['tasks.js', '--huey', 'two', '-w', '1'], { cwd });
    await child.waitFor(/is running {2}queue=peas/);
  });

  it('finds the module whatever its folder is called', async (t) => {
    const cwd = await userProject(t, { 'my tasks #1 100%/the tasks?.js': GOOD_MODULE });
    const child = startCommand(t, ['my tasks #1 100%/the tasks?.js', '-w', '1'], { cwd });
    await child.waitFor(RUNNING);
  });

  it('loads TypeScript with --import tsx', async (t) => {
    const cwd = await userProject(t, { 'tasks.ts': `${GOOD_MODULE}\nenum Bean { Red }\nexport const bean: Bean = Bean.Red;\n` });
    await symlink(path.join(projectRoot(), 'node_modules/tsx'), path.join(cwd, 'node_modules/tsx'), 'dir');
    const child = startCommand(t, ['tasks.ts', '--import', 'tsx', '-w', '1'], { cwd });
    await child.waitFor(RUNNING);
  });

  it('writes a JSON object in each line with --log-format json, and no colours', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const child = startCommand(t, ['tasks.js', '-w', '1', '--log-format', 'json', '-d', '0.1'], { cwd });
    await child.waitFor(RUNNING);
    child.kill('SIGTERM');
    await child.exited;
    const lines = child.stdout().trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as { time: string; level: string; message: string; queue?: string });
    assert.ok(entries.length >= 3);
    for (const { time, level } of entries) {
      assert.equal(new Date(time).toISOString(), time);
      assert.ok(['info', 'warn'].includes(level));
    }
    assert.equal(entries.find(({ message }) => RUNNING.test(message))?.queue, 'cli');
  });

  it('appends to a log file, and is quiet on a terminal then', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE, 'consumer.log': 'before\n' });
    const child = startCommand(t, ['tasks.js', '-w', '1', '-l', 'consumer.log'], { cwd });
    const file = path.join(cwd, 'consumer.log');
    await poll('the line in the log file', async () => RUNNING.test(await readFile(file, 'utf8')));
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 0, signal: null });
    assert.equal(child.output(), '');
    assert.match(await readFile(file, 'utf8'), /^before\n[^]*is running/);
  });

  it('says nothing but errors with -q, and what tasks write', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': `${GOOD_MODULE}\nconsole.log('loaded');\n` });
    const child = startCommand(t, ['tasks.js', '-w', '1', '-q', '-S', '-b', '2'], { cwd });
    await child.waitFor(/loaded/);
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 0, signal: null });
    assert.equal(child.output(), 'loaded\n');
  });

  it("takes Huey's options that have no effect, each with a line that says why", async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const idle = ['-d', '0.1', '-m', '10', '-b', '1.15', '-c', '10', '-C'];
    const child = startCommand(t, ['tasks.js', '-w', '1', '-S', ...idle], { cwd });
    await child.waitFor(RUNNING);
    const names = [...child.stdout().matchAll(/^--(\S+) has no effect: \S.+$/gm)].map(([, name]) => name);
    const expected = ['delay', 'max-delay', 'backoff', 'health-check-interval', 'disable-health-check'];
    assert.deepEqual(names, expected);
  });
});

describe('a command of another installation', () => {
  it('hands over to the copy that the module imports, and passes on arguments, signals and exit code', async (t) => {
    const cwd = await tempDir(t);
    await installFake(
      cwd,
      `process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000);
console.log('the other copy', process.argv.slice(2).join(' '));`,
    );
    const child = startCommand(t, ['tasks.js', '--workers', '3'], { cwd });
    await child.waitFor(/the other copy tasks\.js --workers 3/);
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 7, signal: null });
  });

  it('ends with the command that was killed', async (t) => {
    const cwd = await tempDir(t);
    // A copy like this one, in a folder of its own.
    const own = fileURLToPath(new URL('../../bin/other-copy.js', import.meta.url));
    await installFake(
      cwd,
      `import { followCommand } from ${JSON.stringify(own)};
followCommand();
setInterval(() => {}, 1000);
console.log('the other copy', process.pid);`,
    );
    const child = startCommand(t, ['tasks.js'], { cwd });
    await child.waitFor(/the other copy \d+/);
    const pid = Number(/the other copy (\d+)/.exec(child.stdout())?.[1]);
    child.kill('SIGKILL');
    await child.exited;
    await poll('its end', () => !isRunning(pid));
  });

  it('does not hand over twice', async (t) => {
    const cwd = await tempDir(t);
    // The fake hands over to this very command, as a copy would that takes the other for its own.
    const command = new URL('../../bin/huey-runtime.js', import.meta.url).href;
    await installFake(cwd, `await import(${JSON.stringify(command)});`);
    const { code, stderr } = await runCommand(t, ['tasks.js'], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /made no Huey/);
  });
});

/** Nobody may collect a process whose parent was killed: then it stays as a zombie, which runs no more. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** A folder with another huey-runtime than this one, whose command is this script. */
async function installFake(folder: string, script: string): Promise<void> {
  const copy = path.join(folder, 'node_modules/huey-runtime');
  await mkdir(copy, { recursive: true });
  await writeFile(path.join(folder, 'tasks.js'), 'export const a = 1;\n');
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }\n');
  await writeFile(
    path.join(copy, 'package.json'),
    JSON.stringify({ name: 'huey-runtime', type: 'module', bin: { 'huey-runtime': 'command.js' } }),
  );
  await writeFile(path.join(copy, 'command.js'), script);
}
