import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConnectionUrl } from '../../src/runtime/connection.js';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { describeRedisUrl, parseRedisUrl } from '../../src/runtime/redis-url.js';
import { describeTarget, redisTarget } from '../../src/runtime/storage/redis-target.js';

describe('a URL of Redis', () => {
  it('names one server', () => {
    assert.deepEqual(parseRedisUrl('redis://me:p%40ss%3A%2F@h:7000/2?family=6'), {
      mode: 'single',
      hosts: [{ host: 'h', port: 7000 }],
      db: 2,
      username: 'me',
      password: 'p@ss:/',
      family: 6,
      sentinel: { tls: false },
    });
    assert.deepEqual(parseRedisUrl('redis://').hosts, [{ host: '127.0.0.1', port: 6379 }]);
    assert.deepEqual(parseRedisUrl('redis://:p@[::1]/').hosts, [{ host: '::1', port: 6379 }]);
    assert.equal(parseRedisUrl('redis://:a:b@c@h').password, 'a:b@c');
    assert.equal(parseRedisUrl('REDISS://h').tls?.rejectUnauthorized, true);
  });

  it('names a master that sentinels know, with the password of the sentinels', () => {
    const url = 'redis+sentinel://me:secret@s1,s2:26380,[::1]:1/mymaster/3?sentinelUsername=s&sentinelPassword=watch%26word';
    assert.deepEqual(parseRedisUrl(url), {
      mode: 'sentinel',
      hosts: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_380 },
        { host: '::1', port: 1 },
      ],
      master: 'mymaster',
      db: 3,
      username: 'me',
      password: 'secret',
      sentinel: { username: 's', password: 'watch&word', tls: false },
    });
    const { options } = redisTarget({ kind: 'redis', url });
    assert.equal(options.sentinels?.length, 3);
    assert.deepEqual(
      [options.name, options.db, options.password, options.sentinelPassword, options.sentinelTLS],
      ['mymaster', 3, 'secret', 'watch&word', undefined],
    );
  });

  it('takes TLS for the server and its sentinels, or for one of them', () => {
    const both = redisTarget({ kind: 'redis', url: 'rediss+sentinel://s/m?servername=redis.example' }).options;
    assert.deepEqual(both.tls, { rejectUnauthorized: true, servername: 'redis.example' });
    assert.deepEqual([both.enableTLSForSentinelMode, both.sentinelTLS], [true, both.tls]);
    const one = redisTarget({ kind: 'redis', url: 'rediss+sentinel://s/m?sentinelTls=false&rejectUnauthorized=false' }).options;
    assert.deepEqual([one.tls, one.sentinelTLS], [{ rejectUnauthorized: false }, undefined]);
  });

  it('names some nodes of a cluster', () => {
    const { nodes, options } = redisTarget({ kind: 'redis', url: 'redis+cluster://:p@a:7000,b:7001' });
    assert.deepEqual(nodes, [
      { host: 'a', port: 7000 },
      { host: 'b', port: 7001 },
    ]);
    assert.equal(options.password, 'p');
  });

  it('gives way to options that stand beside it', () => {
    const { options } = redisTarget({
      kind: 'redis',
      url: 'rediss://:p@h?servername=a',
      options: { db: 3, password: 'q', tls: { servername: 'b' } },
    });
    assert.deepEqual(
      [options.host, options.db, options.password, options.tls],
      ['h', 3, 'q', { rejectUnauthorized: true, servername: 'b' }],
    );
  });

  it('is shown without passwords, sentinels’ included, and without files', () => {
    const shown = {
      'redis://me:secret@h/2': 'redis://me@h:6379/2',
      'rediss://:secret@[::1]?ca=secret.pem': 'rediss://[::1]:6379',
      'redis+sentinel://:secret@a,b:1/m/1?sentinelPassword=secret': 'redis+sentinel://a:26379,b:1/m/1',
      'redis+cluster://u:secret@a,b:1': 'redis+cluster://u@a:6379,b:1',
    };
    for (const [url, text] of Object.entries(shown)) {
      assert.equal(describeRedisUrl(parseRedisUrl(url)), text);
      assert.equal(describeTarget({ kind: 'redis', url }), text);
    }
    const options = { sentinels: [{ host: 'a', port: 1 }], name: 'm', password: 'secret', sentinelPassword: 'secret' };
    assert.equal(describeTarget({ kind: 'redis', options }), 'redis+sentinel://a:1/m');
    const cluster = { nodes: ['redis://:secret@b:2', { host: 'c', port: 3, password: 'secret' }, 4] };
    assert.equal(describeTarget({ kind: 'redis', cluster }), 'redis+cluster://b:2,c:3,127.0.0.1:4');
  });

  const NONSENSE: Record<string, [url: string, message: RegExp]> = {
    'several servers without a plan': ['redis://:secret@a,b', /several hosts.*redis\+sentinel:\/\/ or redis\+cluster:\/\//],
    'sentinels without a master': ['redis+sentinel://:secret@a,b', /name of the master/],
    'a database of a cluster': ['redis+cluster://:secret@a/1', /only number 0/],
    'a database that is no number': ['redis://:secret@a/secret', /number of a database/],
    'a port that is none': ['redis://:secret@a:70000', /port that is not between 1 and 65535/],
    'a host that is none': ['redis://:secret@a b', /host that cannot be read/],
    'a slash in a password': ['redis://:secret/1@h:1', /host that cannot be read/],
    'a broken escape': ['redis://:secret%@h', /% itself is written %25/],
    'another kind': ['redis+magic://:secret@h', /no valid URL of Redis/],
    'an unknown parameter': ['redis://h?pasword=secret', /unknown parameter pasword; there are family, ca/],
    'a certificate without TLS': ['redis://h?ca=secret.pem', /needs TLS: rediss:\/\//],
    'a certificate without its key': ['rediss://h?cert=secret.pem', /client certificate needs both/],
    'a password of sentinels without sentinels': ['redis://h?sentinelPassword=secret', /needs redis\+sentinel:\/\//],
    'a flag that is neither': ['rediss://h?rejectUnauthorized=secret', /neither true nor false/],
    'a family that is none': ['redis://h?family=secret', /family that is not 4, 6 or 0/],
  };
  for (const [title, [url, message]] of Object.entries(NONSENSE)) {
    it(`is refused where it is nonsense: ${title}; the password is not shown`, () => {
      assert.throws(
        () => parseConnectionUrl(url, 'q', { source: '--url' }),
        (error) => {
          assert.ok(error instanceof ConfigurationError && error.code === 'bad-url');
          assert.match(error.message, message);
          assert.match(error.message, /^--url /);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });
  }
});
