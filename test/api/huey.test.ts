import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Cluster, Redis } from 'ioredis';
import { createHuey, MemoryHuey, RedisHuey, SqliteHuey } from '../../src/api/index.js';
import { embeddedFile, parseConnectionUrl, resolveConnection } from '../../src/runtime/connection.js';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { tempDir } from '../support/temp-dir.js';

const VARIABLES = ['HUEY_URL', 'REDIS_URL', 'NODE_ENV'];
let before: Record<string, string | undefined> = {};

beforeEach(() => {
  before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  for (const name of VARIABLES) delete process.env[name];
});

afterEach(() => {
  for (const name of VARIABLES) {
    const value = before[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

describe('the name of a queue', () => {
  it('is taken as it is, or refused', () => {
    for (const name of ['a', 'a-b', 'A.b_c:d', 'x'.repeat(100)]) assert.equal(new MemoryHuey(name).name, name);
    for (const name of ['', 'a b', 'a/b', 'ä', 'a{b}', 'a\n', 'x'.repeat(101), undefined]) {
      for (const make of [
        () => new MemoryHuey(name as never),
        () => new SqliteHuey(name as never),
        () => new RedisHuey(name as never),
        () => createHuey(name as never),
      ]) {
        assert.throws(make, { code: 'bad-queue-name' }, String(name));
      }
    }
  });
});

describe('createHuey', () => {
  it('goes by HUEY_URL, else REDIS_URL, else the file of the project', () => {
    assert.ok(createHuey('beans') instanceof SqliteHuey);
    assert.deepEqual(createHuey('beans').connection, { kind: 'sqlite', filename: embeddedFile('beans') });
    process.env['REDIS_URL'] = 'redis://127.0.0.1:7000/2';
    assert.ok(createHuey('beans') instanceof RedisHuey);
    assert.deepEqual(createHuey('beans').connection, { kind: 'redis', url: 'redis://127.0.0.1:7000/2' });
    process.env['HUEY_URL'] = 'memory:';
    assert.ok(createHuey('beans', { results: false }) instanceof MemoryHuey);
    assert.equal(createHuey('beans', { results: false }).settings.results, false);
    process.env['HUEY_URL'] = '';
    assert.equal(createHuey('beans').connection.kind, 'redis');
    assert.throws(() => createHuey('beans', { host: 'x' } as never), { code: 'unknown-option' });
  });

  it('warns once in production where nothing is set', async () => {
    process.env['NODE_ENV'] = 'production';
    const warnings: (Error & { code?: string })[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listen);
    createHuey('beans');
    createHuey('beans');
    await new Promise(setImmediate);
    process.off('warning', listen);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['HUEY_EMBEDDED'],
    );
  });
});

describe('the URL of a storage', () => {
  it('names Redis, a file or the memory', () => {
    const cwd = path.resolve('/somewhere');
    const parse = (url: string): unknown => parseConnectionUrl(url, 'q', { cwd });
    assert.deepEqual(parse('rediss://u:p@host:1/2'), { kind: 'redis', url: 'rediss://u:p@host:1/2' });
    assert.deepEqual(parse('sqlite:data/x.db'), { kind: 'sqlite', filename: path.join(cwd, 'data', 'x.db') });
    assert.deepEqual(parse('sqlite:/abs/x.db'), { kind: 'sqlite', filename: path.resolve('/abs/x.db') });
    assert.deepEqual(parse('sqlite:///abs/x.db'), { kind: 'sqlite', filename: path.resolve('/abs/x.db') });
    assert.deepEqual(parse('sqlite:'), { kind: 'sqlite', filename: embeddedFile('q', cwd) });
    assert.deepEqual(parse('memory:'), { kind: 'memory' });
  });

  it('is refused where it is something else, without showing a password', () => {
    for (const url of [
      'postgres://me:secret@host/x',
      'nonsense secret',
      'sqlite::memory:',
      'sqlite://host/secret.db',
      'redis://me:secret@:bad:port',
    ]) {
      assert.throws(
        () => parseConnectionUrl(url, 'q'),
        (error) => error instanceof ConfigurationError && error.code === 'bad-url' && !error.message.includes('secret'),
        url,
      );
    }
  });

  it('is by default a file beside the nearest package.json', async (t) => {
    const folder = await tempDir(t);
    const deep = path.join(folder, 'a', 'b');
    mkdirSync(deep, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{}');
    assert.deepEqual(resolveConnection('q:1', { env: {}, cwd: deep }), {
      connection: { kind: 'sqlite', filename: path.join(folder, '.huey', 'q%3A1.db') },
      source: 'embedded',
    });
  });
});

describe('RedisHuey', () => {
  it('takes a URL, options of ioredis, or both, and opens nothing', () => {
    assert.deepEqual(new RedisHuey('q', { url: 'redis://127.0.0.1:1' }).connection, { kind: 'redis', url: 'redis://127.0.0.1:1' });
    assert.deepEqual(new RedisHuey('q', { host: 'h', port: 5, retryStrategy: () => 1 }).connection, {
      kind: 'redis',
      options: { host: 'h', port: 5 },
    });
    assert.deepEqual(new RedisHuey('q', { url: 'redis://h', db: 3, resultTtl: 5 }).connection, {
      kind: 'redis',
      url: 'redis://h',
      options: { db: 3 },
    });
    assert.deepEqual(new RedisHuey('q', { password: 'p' }).connection, {
      kind: 'redis',
      url: 'redis://127.0.0.1:6379',
      options: { password: 'p' },
    });
    process.env['REDIS_URL'] = 'redis://elsewhere';
    assert.deepEqual(new RedisHuey('q').connection, { kind: 'redis', url: 'redis://elsewhere' });
  });

  it('takes the options of a client', () => {
    const client = new Redis({ host: 'h', port: 7, lazyConnect: true });
    const { connection, settings } = new RedisHuey('q', client, { results: false });
    assert.ok(connection.kind === 'redis' && connection.options?.['host'] === 'h' && connection.options['port'] === 7);
    assert.equal(settings.results, false);
    structuredClone(connection);
    const cluster = new Cluster([{ host: 'a', port: 1 }, 'redis://b:2'], { lazyConnect: true, redisOptions: { password: 'p' } });
    const spec = new RedisHuey('q', cluster).connection;
    assert.ok(spec.kind === 'redis');
    assert.deepEqual(spec.cluster?.nodes, [{ host: 'a', port: 1 }, 'redis://b:2']);
    assert.deepEqual(spec.cluster.options?.['redisOptions'], { password: 'p' });
    structuredClone(spec);
    client.disconnect();
    cluster.disconnect();
  });

  it('takes the nodes of a cluster, with options for all of them', () => {
    const options = { cluster: ['a:7000', { host: 'b', port: 7001 }], password: 'p', resultTtl: 5 };
    assert.deepEqual(new RedisHuey('q', options).connection, {
      kind: 'redis',
      cluster: { nodes: ['a:7000', { host: 'b', port: 7001 }], options: { redisOptions: { password: 'p' } } },
    });
    for (const wrong of [[], 'a:7000', [7000], ['a:b'], [{ host: 'a' }]]) {
      assert.throws(() => new RedisHuey('q', { cluster: wrong as never }), ConfigurationError);
    }
    assert.throws(() => new RedisHuey('q', { cluster: ['a'], url: 'redis://b' }), /give one of them/);
    assert.throws(() => new RedisHuey('q', { cluster: ['a'], host: 'b' }), /host of a client has no meaning in a cluster/);
  });

  it('takes sentinels and a cluster by URL too, also from the environment', () => {
    for (const url of ['redis+sentinel://s:1/m', 'rediss+cluster://a,b']) {
      process.env['HUEY_URL'] = url;
      assert.deepEqual(createHuey('q').connection, { kind: 'redis', url });
      assert.deepEqual(new RedisHuey('q').connection, { kind: 'redis', url });
    }
  });

  it('refuses what it does not know, and functions that would be lost', () => {
    assert.throws(() => new RedisHuey('q', { hots: 'h' } as never), /did you mean "host"\?/);
    assert.throws(() => new RedisHuey('q', { url: 'sqlite:x' }), { code: 'bad-url' });
    assert.throws(
      () => new RedisHuey('q', { tls: { checkServerIdentity: () => undefined } }),
      /checkServerIdentity of the Redis client is a function/,
    );
  });
});

describe('SqliteHuey', () => {
  it('keeps its file where it is told, else in the project', () => {
    assert.deepEqual(new SqliteHuey('q', { filename: 'x.db', storeNone: true }).connection, {
      kind: 'sqlite',
      filename: path.resolve('x.db'),
    });
    assert.deepEqual(new SqliteHuey('q').connection, { kind: 'sqlite', filename: embeddedFile('q') });
    assert.throws(() => new SqliteHuey('q', { filename: ':memory:' }), { code: 'bad-option' });
    assert.throws(() => new SqliteHuey('q', { file: 'x' } as never), /did you mean "filename"\?/);
  });
});

describe('a Huey', () => {
  it('knows its settings', () => {
    assert.deepEqual(new MemoryHuey('q').settings, { results: true, storeNone: false, resultTtlMs: 86_400_000 });
    assert.deepEqual(new MemoryHuey('q', { resultTtl: 5, storeNone: true }).settings, {
      results: true,
      storeNone: true,
      resultTtlMs: 5000,
    });
    for (const options of [{ results: 1 }, { resultTtl: 0 }, { enqueueWait: 0 }, { enqueueWait: 3601 }]) {
      assert.throws(() => new MemoryHuey('q', options as never), { code: 'bad-option' });
    }
  });
});
