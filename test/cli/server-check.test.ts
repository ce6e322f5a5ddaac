/** What a consumer says of the server when it starts, and what --strict makes of it (F14). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startRedis, type RedisServer } from '../support/redis.js';
import { RUNNING, runCommand, startCommand, userProject } from './command.js';

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];
const EVICTS = [...DURABLE, '--maxmemory-policy', 'allkeys-lru'];
const MODULE = `
import { RedisHuey } from 'huey-runtime';
export const huey = new RedisHuey('checked', { url: process.env.SERVER });
export const hello = huey.task(function hello() {});
`;

describe('a server that evicts', () => {
  it('is warned of, with what it means and what to set, and used', async (t) => {
    const { cwd, env } = await projectWith(t, EVICTS);
    const child = startCommand(t, ['tasks.js', '-w', '1'], { cwd, env });
    await child.waitFor(RUNNING);
    assert.match(child.stdout(), /WARN {2}maxmemory-policy is allkeys-lru: .*deletes tasks that wait.*set it to noeviction/);
    assert.match(child.stdout(), /INFO {2}.*AOF always/);
  });

  it('is refused with --strict, in one line', async (t) => {
    const { cwd, env, server } = await projectWith(t, EVICTS);
    const { code, stderr } = await runCommand(t, ['tasks.js', '-w', '1', '--strict'], { cwd, env });
    assert.equal(code, 1);
    assert.match(stderr, /^huey-runtime: cannot start: --strict refuses.*maxmemory-policy is allkeys-lru.*\n$/);
    assert.ok(server.pid > 0);
  });
});

describe('--strict', () => {
  it('takes a server that keeps the promises', async (t) => {
    const { cwd, env } = await projectWith(t, DURABLE);
    const child = startCommand(t, ['tasks.js', '-w', '1', '--strict'], { cwd, env });
    await child.waitFor(RUNNING);
    assert.doesNotMatch(child.stdout(), /WARN/);
  });

  it('refuses a server that keeps nothing on disk, also by its variable', async (t) => {
    const { cwd, env } = await projectWith(t, []);
    const { code, stderr } = await runCommand(t, ['tasks.js', '-w', '1'], { cwd, env: { ...env, HUEY_STRICT: '1' } });
    assert.equal(code, 1);
    assert.match(stderr, /keeps nothing on disk/);
  });

  it('refuses a server that may not be asked, which is otherwise only said', async (t) => {
    const limited = ['--user', 'limited', 'on', '>secret', '~*', '&*', '+@all', '-config'];
    const { cwd, server } = await projectWith(t, [...DURABLE, ...limited]);
    const env = { SERVER: server.url.replace('//', '//limited:secret@') };
    const child = startCommand(t, ['tasks.js', '-w', '1'], { cwd, env });
    await child.waitFor(RUNNING);
    assert.match(child.stdout(), /WARN {2}.*could not be checked/);
    const { code, stderr } = await runCommand(t, ['tasks.js', '-w', '1', '--strict'], { cwd, env });
    assert.equal(code, 1);
    assert.match(stderr, /--strict refuses.*could not be checked/);
    assert.doesNotMatch(child.output() + stderr, /secret/);
  });
});

async function projectWith(
  t: TestContext,
  args: readonly string[],
): Promise<{ cwd: string; env: { SERVER: string }; server: RedisServer }> {
  const server = await startRedis(args);
  t.after(() => server.stop());
  return { cwd: await userProject(t, { 'tasks.js': MODULE }), env: { SERVER: server.url }, server };
}
