/** A key of another type in the way of each script, one after the other: Redis undoes nothing, so a script that fails must have written nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { encodeRecord } from '../../src/runtime/completion.js';
import { StorageRefused, type HueyException } from '../../src/runtime/errors.js';
import type { Transition } from '../../src/runtime/storage.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { done, message, World, type StorageFixture } from './world.js';

const QUEUE = 'wrong';
const PREFIX = `huey:{${QUEUE}}:`;
/** So long that what was recorded a moment ago is no gap, and so short that who is dead is dead. */
const LEASE_MS = 1_000_000_000;
const RECORD = encodeRecord('done', '1');
const BUCKET = '0123456789abcdef';
const GENERATED = `${BUCKET}001`;
const CHORD = { id: 'chord1', size: 1, callback: message('callback') };

/** Every kind of key (redis-keys.ts), with the names that the calls below come upon. */
const KEYS = [
  ...['ready', 'hi', 'lo', 'suspects', 'scheduled', 'consumers', 'instances', 'clock', 'arrivals', 'marks', 'ticks'],
  ...['dead', 'dead-at', 'alien', 'unique', 'locks', 'keys', 'rate:api', 'chord:chord1', 'chord:chord2'],
  ...['inflight:c1', 'landing:c1', 'lanes:c1', 'inflight:c2', 'landing:c2', 'lanes:c2'],
  ...[`ids:${BUCKET}`, `result:${BUCKET}`, 'result:b'],
  ...[
    'ids:new',
    'ids:next',
    'ids:callback',
    'result:a',
    'result:new',
    'result:holder',
    'result:other',
    'result:old',
    'result:buried',
    'result:revoked',
  ],
];

const settle = (effects: Extract<Transition, { kind: 'settle' }>['effects']): Transition => ({
  kind: 'settle',
  id: 'a',
  record: RECORD,
  ttlSeconds: 100,
  ...(effects === undefined ? {} : { effects }),
});

type Call = (storage: RedisStorage) => Promise<unknown>;
const step = (parts: { completions?: Uint8Array[]; transitions?: Transition[]; chunks?: number; solo?: boolean }): Call => {
  const call = { consumer: 'c1', lane: 1, seq: 9, completions: [], transitions: [], chunks: 0, chunkSize: 10, solo: false, ...parts };
  return (storage) => storage.step(call);
};
const unique = { key: 'key', onConflict: 'replace', ttlMs: 0 } as const;

const CALLS: Record<string, Call> = {
  enqueue: (storage) => storage.enqueue([{ text: message('new') }]),
  'enqueue with ids of its own making': (storage) => storage.enqueue([{ text: message('new') }, { text: message(GENERATED) }]),
  'enqueue with priority': (storage) => storage.enqueue([{ text: message('new', { priority: 5 }) }]),
  'enqueue for later': (storage) => storage.enqueue([{ text: message('new'), delayMs: 60_000 }]),
  'enqueue with a unique key': (storage) => storage.enqueue([{ text: message('new'), unique }]),
  'enqueue in place of another': (storage) => storage.enqueue([{ text: message('new'), replaces: 'other' }]),
  'enqueue two and a chord': (storage) =>
    storage.enqueue([{ text: message('new') }, { text: message('next') }], [{ ...CHORD, id: 'chord2' }]),
  register: (storage) => storage.register('c3', LEASE_MS),
  'register under a name': (storage) => storage.register('c3', LEASE_MS, { name: 'one', takeOver: true }),
  beat: (storage) => storage.beat('c1', LEASE_MS),
  unregister: (storage) => storage.unregister('c1'),
  release: (storage) => storage.release('c1', ['a', 'b']),
  reap: (storage) => storage.reap(LEASE_MS),
  promote: (storage) => storage.promote(100),
  tick: (storage) => storage.tick({ task: 'beat', minuteMs: 120_000, text: message('new') }),
  skipTicks: (storage) => storage.skipTicks(['beat', 'other'], 120_000),
  'step: complete': step({ completions: [done('a'), done('b')] }),
  'step: settle': step({ completions: [done('b')], transitions: [settle(undefined)] }),
  'step: next stage': step({ completions: [done('b')], transitions: [settle({ enqueue: [{ text: message('next') }] })] }),
  'step: ends of others': step({
    completions: [done('b')],
    transitions: [settle({ also: [{ id: 'other', record: RECORD, ttlSeconds: 9 }] })],
  }),
  'step: member of a chord': step({
    completions: [done('b')],
    transitions: [settle({ chord: { id: 'chord1', index: 0, value: '1' } })],
  }),
  'step: end of a chord': step({ completions: [done('b')], transitions: [settle({ endChord: 'chord1' })] }),
  'step: free a unique key': step({ completions: [done('b')], transitions: [settle({ freeUnique: 'key' })] }),
  'step: next stage with an id of its own making': step({
    completions: [done('b')],
    transitions: [settle({ enqueue: [{ text: message(GENERATED), unique }] })],
  }),
  'step: retry': step({
    completions: [done('b')],
    transitions: [{ kind: 'requeue', id: 'a', text: message('a'), delayMs: 9, at: 'tail' }],
  }),
  'step: give back': step({
    completions: [done('b')],
    transitions: [{ kind: 'requeue', id: 'a', text: message('a', { priority: 1 }), delayMs: 0, at: 'head' }],
  }),
  'step: bury': step({
    completions: [done('b')],
    transitions: [{ kind: 'bury', id: 'a', text: message('a'), reason: 'why', record: RECORD, ttlSeconds: 9 }],
  }),
  'step: lease': step({ chunks: 2, solo: true }),
  'step: a consumer that is gone': (storage) =>
    storage.step({ consumer: 'c9', lane: 1, seq: 1, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false }),
  readResults: (storage) => storage.readResults(['old', 'other']),
  removeResults: (storage) => storage.removeResults(['old', 'other']),
  revoke: (storage) => storage.revoke({ id: 'r1' }, { once: false, untilMs: 0 }),
  restore: (storage) => storage.restore({ id: 'revoked' }),
  readMark: (storage) => storage.readMark({ id: 'revoked' }),
  readChord: (storage) => storage.readChord('chord1'),
  freeUnique: (storage) => storage.freeUnique('key', 'holder'),
  'acquireLock of a run': (storage) => storage.acquireLock('new', { token: 't', run: { consumer: 'c1', id: 'a', run: '0000' } }),
  acquireLock: (storage) => storage.acquireLock('new', { token: 't', leaseMs: 1000 }),
  extendLock: (storage) => storage.extendLock('lock', 'token', 1000),
  releaseLock: (storage) => storage.releaseLock('lock', 'token'),
  isLocked: (storage) => storage.isLocked('lock'),
  flushLocks: (storage) => storage.flushLocks(),
  rateLimit: (storage) => storage.rateLimit('api', 10, 60_000, true),
  getKey: (storage) => storage.getKey('key', true),
  retryDead: (storage) => storage.retryDead('buried'),
  dropDead: (storage) => storage.dropDead('buried'),
};

const SNAPSHOT = `
local keys, state = redis.call('KEYS', ARGV[1] .. '*'), {}
table.sort(keys)
for i, key in ipairs(keys) do state[i] = key .. ' ' .. redis.sha1hex(redis.call('DUMP', key)) end
return state`;

describe('a key of another type in the way of a script', () => {
  let server: RedisServer;
  let client: Redis;
  let storage: RedisStorage;
  let original: [string, Buffer][];

  before(async () => {
    server = await startRedis();
    client = new Redis(server.url);
    storage = new RedisStorage(QUEUE, { kind: 'redis', url: server.url });
    await fill();
    const keys = await client.keys('*');
    original = await Promise.all(
      keys.map(async (key): Promise<[string, Buffer]> => [key, (await client.dumpBuffer(key)) ?? Buffer.alloc(0)]),
    );
  });

  after(async () => {
    client.disconnect();
    await storage.close();
    await server.stop();
  });

  /** A queue in which every call has something to do. */
  async function fill(): Promise<void> {
    const world = new World(fixtureOf(storage));
    const [living, dead] = [await world.consumer('c1', storage, LEASE_MS), await world.consumer('c2', storage, LEASE_MS)];
    await world.enqueue(message('old'), message('buried'), message('a'), message('b'));
    // Each takes its fair share only.
    for (let i = 0; i < 4; i++) await living.take(8);
    await living.finish('old');
    await living.move({ kind: 'bury', id: 'buried', text: message('buried'), reason: 'why', record: RECORD, ttlSeconds: 100 });
    await world.enqueue(message('d1'), message('d2', { lapses: 2 }), message('d3', { priority: 3 }));
    for (let i = 0; i < 3; i++) await dead.take(8);
    await dead.takeSolo();
    assert.deepEqual(new Set(await storage.heldIds('c1')), new Set(['a', 'b']));
    assert.deepEqual(new Set(await storage.heldIds('c2')), new Set(['d1', 'd2', 'd3']));
    await storage.enqueue([{ text: message('holder'), unique }], [CHORD]);
    await world.enqueue(message('r1'), message('r2'), message('h1', { priority: 3 }), message('l1', { priority: -3 }));
    await world.enqueue(message('s1', { lapses: 2 }), message('other'), message('revoked'));
    await storage.revoke({ id: 'revoked' }, { once: false, untilMs: 0 });
    await storage.skipTicks(['beat'], 60_000);
    await storage.acquireLock('lock', { token: 'token', leaseMs: 600_000 });
    await storage.rateLimit('api', 10, 600_000, true);
    await storage.putKey('key', '1', false);
    await client.zadd(`${PREFIX}scheduled`, 1, message('due1'), 1, message('due2', { priority: 2 }), 9e12, message('late'));
    await client.zadd(`${PREFIX}consumers`, 1, 'c2');
    await client.hset(`${PREFIX}clock`, 'awake', 1);
    await client.rpush(`${PREFIX}landing:c1`, message('landed1'));
    await client.rpush(`${PREFIX}landing:c2`, message('landed2'));
  }

  async function restore(): Promise<void> {
    await client.flushall();
    await Promise.all(original.map(([key, bytes]) => client.restore(key, 0, bytes)));
  }

  async function putInTheWay(name: string): Promise<void> {
    const key = PREFIX + name;
    const isText = /^(ids|rate):/.test(name);
    await client.del(key);
    if (isText) await client.rpush(key, 'in the way');
    else await client.set(key, 'in the way');
  }

  for (const [name, call] of Object.entries(CALLS)) {
    it(`${name} is carried out, or refused before it has written anything`, async () => {
      await restore();
      if (name !== 'step: a consumer that is gone') await call(storage);
      for (const key of KEYS) {
        await restore();
        await putInTheWay(key);
        const before = await client.eval(SNAPSHOT, 0, PREFIX);
        const failed = await call(storage).then(
          () => undefined,
          (error: unknown) => error as HueyException,
        );
        if (failed === undefined || failed.code === 'reaped') continue;
        assert.ok(failed instanceof StorageRefused && /WRONGTYPE/.test(failed.message), `${key}: ${failed.message}`);
        assert.deepEqual(
          await client.eval(SNAPSHOT, 0, PREFIX),
          before,
          `refused because of ${key}, and something was written all the same`,
        );
      }
    });
  }
});

/** These tests have one connection, and close it themselves. */
function fixtureOf(storage: RedisStorage): StorageFixture {
  const close = (): Promise<void> => storage.close();
  return { storage, another: async () => storage, pushRaw: () => Promise.reject(new Error('not used here')), close };
}
