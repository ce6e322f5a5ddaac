/** The whole contract of the storage as a user with few rights (docs/redis.md), over TLS. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { after, before, describe, it } from 'node:test';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { describeStorage } from '../storage/conformance.js';
import { ACL_PASSWORD, ACL_USER, makeAclUser, refusedByAcl } from '../support/acl.js';
import { makeCertificates } from '../support/certificates.js';
import { freePort, startRedis, type RedisServer } from '../support/redis.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';

let folder: string;
let server: RedisServer;
let admin: Redis;
let url: string;
let queues = 0;

before(async () => {
  folder = await makeTempDir();
  const { ca, cert, key } = await makeCertificates(folder);
  const port = await freePort();
  server = await startRedis(['--tls-port', String(port), '--tls-ca-cert-file', ca, '--tls-cert-file', cert, '--tls-key-file', key]);
  admin = new Redis(server.url);
  await makeAclUser(admin);
  url = `rediss://${ACL_USER}:${ACL_PASSWORD}@127.0.0.1:${port}?${new URLSearchParams({ ca, cert, key }).toString()}`;
});

after(async () => {
  admin.disconnect();
  await server.stop();
  await removeDir(folder);
});

describeStorage('redis, few rights, TLS', async () => {
  const queue = `q${queues++}`;
  const opened: RedisStorage[] = [];
  const open = async (): Promise<RedisStorage> => {
    const storage = new RedisStorage(queue, { kind: 'redis', url });
    opened.push(storage);
    await storage.open();
    return storage;
  };
  return {
    storage: await open(),
    another: open,
    pushRaw: async (text) => void (await admin.rpush(new RedisKeys(queue).ready, text)),
    close: async () => {
      for (const storage of opened) await storage.close();
    },
  };
});

describe('a user with few rights', () => {
  it('was refused nothing in all of that', async () => {
    assert.ok(queues > 100);
    assert.deepEqual(await refusedByAcl(admin), []);
  });
});
