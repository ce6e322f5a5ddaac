/** Redis over TLS: certificates in the URL, in the options, and those that are not to be trusted. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { RedisHuey } from '../../src/api/index.js';
import { StorageRefused } from '../../src/runtime/errors.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { makeCertificates, type CertificateFiles } from '../support/certificates.js';
import { poll } from '../support/poll.js';
import { freePort, startRedis, type RedisServer } from '../support/redis.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';
import { Consumer, items, tellings } from './world.js';

let folder: string;
let files: CertificateFiles;
let server: RedisServer;
/** rediss:// without parameters. */
let url: string;

before(async () => {
  folder = await makeTempDir();
  files = await makeCertificates(folder);
  const port = await freePort();
  const certificates = ['--tls-ca-cert-file', files.ca, '--tls-cert-file', files.cert, '--tls-key-file', files.key];
  server = await startRedis(['--tls-port', String(port), '--requirepass', 'swordfish', ...certificates]);
  url = `rediss://:swordfish@127.0.0.1:${port}`;
});

after(async () => {
  await server.stop();
  await removeDir(folder);
});

function withCertificates(): string {
  const { ca, cert, key } = files;
  return `${url}?${new URLSearchParams({ ca, cert, key }).toString()}`;
}

describe('the Redis storage over TLS', () => {
  it('takes the files of certificates from the URL, and waits and listens over it', async (t) => {
    const storage = new RedisStorage('tls', { kind: 'redis', url: withCertificates() });
    t.after(() => storage.close());
    await storage.open();
    await storage.register('c', 60_000);
    const consumer = new Consumer(storage, 'c');
    const told = tellings(storage);
    await storage.watch(['a']);
    const waiting = storage.waitAndStep(consumer.call({ chunks: 1, chunkSize: 1 }), 20_000);
    await storage.enqueue(items(['a']));
    assert.equal((await waiting).chunks.length, 1);
    await consumer.finish('a');
    await poll('the news', () => told.get('a')?.state === 'done');
    assert.doesNotMatch(storage.address, /swordfish|pem/);
  });

  it('takes certificates as options of a Huey', async (t) => {
    const [ca, cert, key] = [files.ca, files.cert, files.key].map((file) => readFileSync(file));
    const huey = new RedisHuey('tls-options', { url, tls: { ca, cert, key } });
    t.after(() => huey.close());
    const task = huey.task({ name: 'one' }, () => 1);
    await task();
    assert.equal(await huey.pendingCount(), 1);
  });

  it('trusts no certificate of an authority that it was not told of, and says so', async (t) => {
    const { cert, key } = files;
    const strange = new RedisStorage('tls', { kind: 'redis', url: `${url}?${new URLSearchParams({ cert, key }).toString()}` });
    t.after(() => strange.close());
    await assert.rejects(strange.open(), (error) => {
      assert.ok(error instanceof StorageRefused);
      assert.doesNotMatch(`${error.stack}`, /swordfish/);
      return /certificate of Redis is not trusted; \?ca=FILE/.test(error.message);
    });
  });

  it('names the file of a certificate that cannot be read', async (t) => {
    const storage = new RedisStorage('tls', { kind: 'redis', url: `${url}?ca=nowhere.pem` });
    t.after(() => storage.close());
    await assert.rejects(storage.open(), { code: 'bad-tls-file', message: /nowhere\.pem, named by ca in the URL of Redis, .* ENOENT/ });
  });
});
