/** What a storage says of the server or the file that keeps the queue. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Redis } from 'ioredis';
import { parseConnectionUrl } from '../../src/runtime/connection.js';
import { StorageRefused } from '../../src/runtime/errors.js';
import type { Finding } from '../../src/runtime/finding.js';
import { createStorage } from '../../src/runtime/storage/create.js';
import { examineServer } from '../../src/runtime/storage/redis-server-check.js';
import { networkOf } from '../../src/runtime/storage/sqlite-file-check.js';
import type { Storage } from '../../src/runtime/storage.js';
import { startRedis } from '../support/redis.js';
import { tempDir } from '../support/temp-dir.js';

const AOF = ['--appendonly', 'yes', '--appendfsync'];
const KEEPS = { kind: 'note', text: /AOF always.*crash loses nothing/ } as const;

describe('a Redis server', () => {
  const settings: Record<string, { args: string[]; says: { kind: Finding['kind']; text: RegExp }[] }> = {
    'that is as it should be': { args: [...AOF, 'always'], says: [KEEPS] },
    'that writes its file every second': {
      args: [...AOF, 'everysec'],
      says: [{ kind: 'note', text: /AOF everysec.*loses the last second or two/ }],
    },
    'that leaves writing to the system': { args: [...AOF, 'no'], says: [{ kind: 'danger', text: /appendfsync no.*half a minute/ }] },
    'that makes snapshots alone': {
      args: ['--save', '3600', '1'],
      says: [{ kind: 'danger', text: /RDB, no AOF.*loses the last minutes; set appendonly/ }],
    },
    'that keeps nothing': { args: [], says: [{ kind: 'danger', text: /no AOF, no RDB.*loses every task; set appendonly/ }] },
    'that evicts anything': {
      args: [...AOF, 'always', '--maxmemory-policy', 'allkeys-lru'],
      says: [{ kind: 'danger', text: /maxmemory-policy is allkeys-lru.*deletes tasks that wait or run.*noeviction/ }, KEEPS],
    },
    'that evicts what has an expiry': {
      args: [...AOF, 'always', '--maxmemory-policy', 'volatile-ttl'],
      says: [{ kind: 'danger', text: /maxmemory-policy is volatile-ttl.*deletes results, chords.*noeviction/ }, KEEPS],
    },
  };
  for (const [what, { args, says }] of Object.entries(settings)) {
    it(what, async (t) => {
      const server = await startRedis(args);
      t.after(() => server.stop());
      matches(await (await storageAt(t, server.url)).examine(), says);
    });
  }

  it('that is a replica is named with its master', async (t) => {
    const master = await startRedis();
    t.after(() => master.stop());
    const replica = await startRedis([...AOF, 'always', '--replicaof', '127.0.0.1', String(master.port)]);
    t.after(() => replica.stop());
    const says = [{ kind: 'danger', text: new RegExp(`replica of 127\\.0\\.0\\.1:${master.port}.*connect to its master`) } as const, KEEPS];
    matches(await (await storageAt(t, replica.url)).examine(), says);
  });

  it('that may not be asked is unknown', async (t) => {
    const withoutConfig = await limitedServer(t, ['-config']);
    matches(await withoutConfig.examine(), [{ kind: 'unknown', text: /AOF on; whether.*could not be checked \(ACL: \+config\|get\)/ }]);
  });

  it('that may not even be asked for INFO is unknown altogether', async () => {
    const refuse = (): Promise<never> => Promise.reject(new Error("NOPERM this user has no permissions to run the 'info' command"));
    const findings = await examineServer({ info: refuse, config: refuse } as unknown as Redis);
    matches(findings, [{ kind: 'unknown', text: /may not ask for INFO: version, role, eviction and persistence.*could not be checked/ }]);
  });

  it('that knows no CONFIG, as those of providers do, is asked for the rest', async () => {
    const info = (): Promise<string> =>
      Promise.resolve('redis_version:7.2.4\r\nrole:master\r\nmaxmemory_policy:volatile-lru\r\naof_enabled:0\r\n');
    const config = (): Promise<never> => Promise.reject(new Error("ERR unknown command 'config', with args beginning with: 'GET'"));
    const findings = await examineServer({ info, config } as unknown as Redis);
    matches(findings, [
      { kind: 'danger', text: /volatile-lru/ },
      { kind: 'danger', text: /AOF off.*last snapshot, if it makes any/ },
    ]);
  });

  it('that is too old is refused, whatever else it is', async () => {
    const ofVersion = (version: string): Promise<Finding[]> => {
      const info = (): Promise<string> =>
        Promise.resolve(`redis_version:${version}\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n`);
      const config = (_: string, name: string): Promise<string[]> => Promise.resolve([name, 'always']);
      return examineServer({ info, config } as unknown as Redis);
    };
    for (const version of ['5.0.14', '6.0.16', '6.1.240']) {
      await assert.rejects(
        ofVersion(version),
        (error) => error instanceof StorageRefused && error.message.includes(version) && /6\.2/.test(error.message),
      );
    }
    for (const version of ['6.2.0', '6.10.1', '7.0.15', '10.0.0', '255.255.255']) matches(await ofVersion(version), [KEEPS]);
  });

  it('that is away is no finding', async () => {
    const lost = (): Promise<never> => Promise.reject(new Error('Connection is closed.'));
    await assert.rejects(examineServer({ info: lost, config: lost } as unknown as Redis), /Connection is closed/);
  });
});

describe('an SQLite file', () => {
  it('is named, with what may be lost', async (t) => {
    const file = path.join(await tempDir(t), 'queue.db');
    const [finding, ...more] = await (await storageAt(t, `sqlite:${file}`)).examine();
    assert.equal(finding?.kind, 'note');
    assert.ok(finding.text.includes(file), finding.text);
    assert.match(finding.text, /killed loses nothing, a power cut may/);
    assert.deepEqual(more, []);
  });

  it(
    'is known to be on a network by the type of its file system',
    { skip: process.platform !== 'linux' && 'types are those of Linux' },
    () => {
      assert.deepEqual([0x6969, 0xff534d42, -11317950, 0x01021997].map(networkOf), ['NFS', 'CIFS', 'CIFS', '9p']);
      // ext4, tmpfs, overlay, btrfs, xfs
      assert.deepEqual([0xef53, 0x01021994, 0x794c7630, 0x9123683e, 0x58465342, undefined].map(networkOf), Array(6).fill(undefined));
    },
  );
});

describe('a queue in memory', () => {
  it('says that it ends with its process', async (t) => {
    matches(await (await storageAt(t, 'memory:')).examine(), [{ kind: 'danger', text: /memory of this process/ }]);
  });
});

async function storageAt(t: TestContext, url: string): Promise<Storage> {
  const storage = await createStorage('check', parseConnectionUrl(url, 'check'));
  t.after(() => storage.close());
  return storage;
}

/** With AOF always, and a user who may do all but this. */
async function limitedServer(t: TestContext, denied: readonly string[]): Promise<Storage> {
  const server = await startRedis([...AOF, 'always', '--user', 'limited', 'on', '>secret', '~*', '&*', '+@all', ...denied]);
  t.after(() => server.stop());
  return storageAt(t, server.url.replace('//', '//limited:secret@'));
}

function matches(findings: readonly Finding[], says: readonly { kind: Finding['kind']; text: RegExp }[]): void {
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    says.map(({ kind }) => kind),
    JSON.stringify(findings),
  );
  for (const [n, { text }] of says.entries()) assert.match(findings[n]?.text ?? '', text);
}
