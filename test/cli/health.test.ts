/** The port and the file by which an orchestrator learns how a consumer is. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readLines } from '../actors/consumer-world.js';
import type { TestChild } from '../support/child.js';
import { poll } from '../support/poll.js';
import { freePort, startRedis } from '../support/redis.js';
import { GOOD_MODULE, RUNNING, runCommand, startCommand, userProject } from './command.js';

interface Answer {
  status: number;
  body: { ok?: boolean; state?: string; reasons?: string[]; error?: string };
}

const PORT = ['-w', '1', '--health-port', '0'];

describe('--health-port', () => {
  it('answers before the module is loaded: live, and not ready', async (t) => {
    const module = `
import { existsSync } from 'node:fs';
while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 20));
${GOOD_MODULE}`;
    const cwd = await userProject(t, { 'tasks.js': module });
    const child = startCommand(t, ['tasks.js', ...PORT], { cwd });
    assert.deepEqual(await ask(child, '/live'), { status: 200, body: { ok: true, state: 'starting', reasons: [] } });
    assert.deepEqual(await ask(child, '/ready'), {
      status: 503,
      body: { ok: false, state: 'starting', reasons: ['starting: the module is loading'] },
    });
    await writeFile(path.join(cwd, 'go'), '');
    await child.waitFor(RUNNING);
    await until(child, '/ready', 200);
    assert.deepEqual((await ask(child, '/live')).body, { ok: true, state: 'running', reasons: [] });
  });

  it('has two addresses, for looking alone', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const child = startCommand(t, ['tasks.js', ...PORT], { cwd });
    for (const address of ['/', '/livex', '/live/', '/metrics']) assert.equal((await ask(child, address)).status, 404, address);
    assert.equal((await ask(child, '/live?x=1')).status, 200);
    const base = await baseOf(child);
    assert.equal((await fetch(`${base}/live`, { method: 'POST', body: 'x' })).status, 405);
    const head = await fetch(`${base}/live`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-type'), await head.text()], [200, 'application/json', '']);
  });

  it('is not ready while Redis is away or silent, and lives', async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const cwd = await userProject(t, {
      'tasks.js': GOOD_MODULE.replaceAll("MemoryHuey('cli')", `RedisHuey('cli', { url: '${server.url}' })`).replace(
        '{ MemoryHuey }',
        '{ RedisHuey }',
      ),
    });
    const child = startCommand(t, ['tasks.js', ...PORT], { cwd });
    await until(child, '/ready', 200);
    await server.kill('SIGSTOP');
    const silent = await until(child, '/ready', 503);
    assert.match(String(silent.body.reasons), /does not answer|heartbeat|not reachable/);
    assert.equal((await ask(child, '/live')).status, 200);
    await server.kill('SIGCONT');
    await until(child, '/ready', 200);
    await server.kill('SIGKILL');
    await until(child, '/ready', 503);
    assert.equal((await ask(child, '/live')).status, 200);
  });

  it('is live and not ready while it stops', async (t) => {
    const module = `${GOOD_MODULE}
import { appendFileSync, existsSync } from 'node:fs';
export const rest = huey.task(async function rest() {
  appendFileSync('journal', 'began\\n');
  while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 20));
});
huey.onStartup(async function begin() { await rest(); });
`;
    const cwd = await userProject(t, { 'tasks.js': module });
    const child = startCommand(t, ['tasks.js', ...PORT], { cwd });
    await poll('the task', () => readLines(path.join(cwd, 'journal')).length > 0);
    child.kill('SIGTERM');
    await child.waitFor(/stopping/);
    assert.deepEqual(await ask(child, '/ready'), { status: 503, body: { ok: false, state: 'stopping', reasons: ['stopping'] } });
    assert.equal((await ask(child, '/live')).status, 200);
    await writeFile(path.join(cwd, 'go'), '');
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  });

  it('speaks for each queue with --all', async (t) => {
    const module = `
import { SqliteHuey } from 'huey-runtime';
const url = 'redis://127.0.0.1:1';
import { RedisHuey } from 'huey-runtime';
export const one = new SqliteHuey('beans');
export const two = new RedisHuey('peas', { url });
export const a = one.task(function a() {});
export const b = two.task(function b() {});
`;
    const cwd = await userProject(t, { 'tasks.js': module });
    const child = startCommand(t, ['tasks.js', '--all', ...PORT], { cwd });
    await child.waitFor(/is running.*beans/);
    const { status, body } = await ask(child, '/ready');
    assert.equal(status, 503);
    assert.deepEqual(body, { ok: false, state: 'starting', reasons: ['peas: starting: it waits for the storage'] });
    assert.equal((await ask(child, '/live')).status, 200);
  });

  it('answers again after a SIGHUP, at the same port', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const port = await freePort();
    const child = startCommand(t, ['tasks.js', '-w', '1', '--health-port', String(port)], { cwd });
    await child.waitFor(RUNNING);
    child.kill('SIGHUP');
    await child.waitFor(/reloaded: /);
    await until(child, '/ready', 200);
  });

  it('that is taken is told in one line, with exit code 1', async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    t.after(() => new Promise<void>((resolve) => void taken.close(() => resolve())));
    const { port } = taken.address() as AddressInfo;
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    for (const all of [[], ['--all']]) {
      const { code, stderr } = await runCommand(t, ['tasks.js', '--health-port', String(port), ...all], { cwd });
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`^huey-runtime: cannot start: .*127\\.0\\.0\\.1:${port}: the port is in use; choose another --health-port\\n$`),
      );
    }
  });

  it('that is none is a usage error', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    for (const port of ['65536', '-1', '80.5', 'http']) {
      const { code, stderr } = await runCommand(t, ['tasks.js', `--health-port=${port}`], { cwd });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^huey-runtime: --health-port .*\n$/);
    }
  });
});

describe('--health-file', () => {
  it('is touched while the consumer lives, and goes with it', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const child = startCommand(t, ['tasks.js', '-w', '1', '--health-file', 'live'], { cwd });
    const file = path.join(cwd, 'live');
    await child.waitFor(RUNNING);
    const first = statSync(file).mtimeMs;
    await poll('the next touch', () => statSync(file).mtimeMs > first + 1000);
    child.kill('SIGTERM');
    assert.deepEqual(await child.exited, { code: 0, signal: null });
    assert.equal(existsSync(file), false);
  });

  it('that cannot be written is told in one line, with exit code 1', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const { code, stderr } = await runCommand(t, ['tasks.js', '--health-file', 'no/such/folder/live'], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /^huey-runtime: cannot start: the health file cannot be written: ENOENT.*choose another --health-file\n$/);
  });
});

async function baseOf(child: TestChild): Promise<string> {
  const [, base = ''] = await child.waitFor(/live=(http:\/\/\S+)\/live/);
  return base;
}

async function ask(child: TestChild, address: string): Promise<Answer> {
  const response = await fetch(`${await baseOf(child)}${address}`);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

function until(child: TestChild, address: string, status: number): Promise<Answer> {
  return poll(`${status} at ${address}`, async () => {
    const answer = await ask(child, address);
    return answer.status === status && answer;
  });
}
