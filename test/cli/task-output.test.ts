/** What tasks write with console, as the command prints it: for people, for programs, to a file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { startNode } from '../support/child.js';
import type { Cleanup } from '../support/temp-dir.js';
import { runCommand, RUNNING, startCommand, userProject } from './command.js';

const FILES = {
  'tasks.js': `
import { SqliteHuey } from 'huey-runtime';
export const huey = new SqliteHuey('cli');
export const talk = huey.task(function talk() {
  console.log('one\\ntwo');
  console.error('three');
});
`,
  // Threads load it; the producer loads tasks.js.
  'consumer.js': `export * from './tasks.js';\nconsole.log('it loads');\n`,
  'call.js': `
import { huey, talk } from './tasks.js';
const res = await talk();
await res.get({ blocking: true, timeout: 20 });
console.log(res.id);
await huey.close();
`,
};

interface Printed {
  cwd: string;
  /** What the command printed about the module and its task, line by line. */
  lines: string[];
  /** Of the call. */
  id: string;
}

/** Runs the command with these arguments, has the task run once, and stops the command. */
async function printed(t: Cleanup, args: readonly string[], read?: (cwd: string) => string): Promise<Printed> {
  const cwd = await userProject(t, FILES);
  const command = startCommand(t, ['consumer.js', '-w', '1', ...args], { cwd });
  const call = startNode([path.join(cwd, 'call.js')], { cwd });
  t.after(async () => void (await call.stop()));
  assert.deepEqual(await call.exited, { code: 0, signal: null }, call.output());
  command.kill('SIGTERM');
  assert.deepEqual(await command.exited, { code: 0, signal: null }, command.output());
  assert.equal(command.stderr(), '');
  const text = read === undefined ? command.stdout() : read(cwd);
  const lines = text.split('\n').filter((line) => /one|two|three|it loads/.test(line));
  return { cwd, lines, id: call.stdout().trim() };
}

describe('what tasks write with console', () => {
  it('is printed like the lines of the consumer, with name and id on each line', async (t) => {
    const { lines, id } = await printed(t, []);
    const bare = lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, ''));
    assert.deepEqual(bare, ['INFO  it loads', `INFO  [talk ${id}] one`, `INFO  [talk ${id}] two`, `ERROR [talk ${id}] three`]);
  });

  it('is printed without time and level with --simple, and whatever level the consumer has', async (t) => {
    const { lines, id } = await printed(t, ['--simple', '--quiet']);
    assert.deepEqual(lines, ['it loads', `[talk ${id}] one`, `[talk ${id}] two`, `[talk ${id}] three`]);
  });

  it('is a record for each call of console with --log-format json', async (t) => {
    const { lines, id } = await printed(t, ['--log-format', 'json']);
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { time } of records) assert.equal(new Date(String(time)).toISOString(), time);
    assert.deepEqual(
      records.map(({ time: _, ...rest }) => rest),
      [
        { level: 'info', message: 'it loads' },
        { level: 'info', message: 'one\ntwo', task: 'talk', id },
        { level: 'error', message: 'three', task: 'talk', id },
      ],
    );
  });

  it('goes where the log goes', async (t) => {
    const { lines, id } = await printed(t, ['--simple', '--logfile', 'consumer.log'], (cwd) =>
      readFileSync(path.join(cwd, 'consumer.log'), 'utf8'),
    );
    assert.deepEqual(lines, ['it loads', `[talk ${id}] one`, `[talk ${id}] two`, `[talk ${id}] three`]);
  });

  it('is printed where the module ends the process while it loads', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': "console.error('DB_URL is not set');\nprocess.exit(1);\n" });
    const { code, stdout } = await runCommand(t, ['tasks.js'], { cwd });
    assert.equal(code, 1);
    assert.match(stdout, /ERROR DB_URL is not set/);
    assert.doesNotMatch(stdout, RUNNING);
  });
});
