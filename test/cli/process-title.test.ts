import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { titleWithoutPasswords } from '../../bin/process-title.js';
import { poll } from '../support/poll.js';
import { freePort } from '../support/redis.js';
import { GOOD_MODULE, startCommand, userProject } from './command.js';

describe('what the system shows of the command', () => {
  it('has no passwords, in whatever form they were typed', () => {
    const words: Record<string, string> = {
      'redis://me:secret@h:1/2': 'redis://me:***@h:1/2',
      'redis+sentinel://:se:c@ret@a:1,b:2/m?sentinelPassword=secret&sentinelTls=true':
        'redis+sentinel://:***@a:1,b:2/m?sentinelPassword=***&sentinelTls=true',
      '--url=rediss://:secret@h': '--url=rediss://:***@h',
      '--redis=me:secret@h:1': '--redis=me:***@h:1',
      ':secret@h': ':***@h',
    };
    for (const [word, shown] of Object.entries(words))
      assert.equal(titleWithoutPasswords(['--workers', word]), `huey-runtime --workers ${shown}`);
  });

  it('is left alone where there is none', () => {
    assert.equal(
      titleWithoutPasswords(['tasks.js', '--url', 'redis://me@h:1/2', '--redis', 'h:1', 'file:///a/b@c.js', 'sqlite:/a:b/c.db']),
      undefined,
    );
  });

  it('shows none while a consumer runs, nor does its log while the server is away', async (t) => {
    const url = `redis://huey:sesame@127.0.0.1:${await freePort()}`;
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE });
    const child = startCommand(t, ['tasks.js', '--url', url, '--workers', '1'], { cwd });
    await poll('the new title', () => !commandLineOf(child.pid).includes('sesame'));
    assert.match(commandLineOf(child.pid), /huey:\*\*\*@127/);
    await child.waitFor(/127\.0\.0\.1:\d+/);
    assert.doesNotMatch(child.output(), /sesame/);
  });
});

function commandLineOf(pid: number): string {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) ? readFileSync(file, 'utf8') : execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
}
