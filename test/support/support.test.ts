import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { startNode } from './child.js';
import { poll } from './poll.js';
import { startRedis } from './redis.js';

const REDIS = new URL('./redis.js', import.meta.url).href;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function command(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.once('error', reject);
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
  });
}

describe('a Redis server of a test', () => {
  it('answers, takes options, and leaves nothing behind', async () => {
    const server = await startRedis(['--maxmemory-policy', 'allkeys-lru']);
    assert.match(await command(server.port, 'CONFIG GET maxmemory-policy\r\n'), /allkeys-lru/);
    assert.match(await command(server.port, 'CONFIG GET save\r\n'), /\$0\r\n\r\n$/);
    await server.stop();
    await server.stop();
    assert.equal(isAlive(server.pid), false);
    assert.equal(existsSync(server.directory), false);
  });

  it('can be killed and started again with its data', async () => {
    const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const first = await startRedis(args);
    await command(first.port, 'SET key value\r\n');
    await first.kill('SIGKILL');
    const second = await startRedis(args, first);
    assert.match(await command(second.port, 'GET key\r\n'), /value/);
    await second.stop();
    await first.stop();
  });

  it('several start at once on ports of their own', async () => {
    const servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
    assert.equal(new Set(servers.map(({ port }) => port)).size, 3);
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('that cannot start says why', async () => {
    const server = await startRedis();
    await assert.rejects(startRedis([], { port: server.port }), /in use/);
    await server.stop();
  });

  it('dies with its test process, even if that is killed', async () => {
    const code = `const { startRedis } = await import(${JSON.stringify(REDIS)});
      console.log('server', (await startRedis()).pid);
      setInterval(() => {}, 1000);`;
    const child = startNode(['--input-type=module', '-e', code]);
    const [, pid] = await child.waitFor(/server (\d+)/);
    assert.equal(isAlive(Number(pid)), true);
    await child.stop();
    await poll('the end of the server', () => !isAlive(Number(pid)));
  });
});

describe('a process of a test', () => {
  it('tells its output and its end', async () => {
    const child = startNode(['-e', "console.log('one'); console.error('two'); process.exitCode = 3;"]);
    await child.waitFor(/two/);
    assert.deepEqual(await child.exited, { code: 3, signal: null });
    assert.equal(child.stdout(), 'one\n');
    assert.equal(child.stderr(), 'two\n');
    await assert.rejects(child.waitFor(/three/), /ended \(3\) before it wrote/);
  });
});
