/** The short script of `step` against the long one: where it takes a call it gives the same reply and leaves the same keys, else it has changed nothing. */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { after, before, describe, it } from 'node:test';
import { encodeCompletion, encodeRecord } from '../../src/runtime/completion.js';
import { quickStepArguments, readStep, stepArguments } from '../../src/runtime/storage/redis-arguments.js';
import type { RedisArgument } from '../../src/runtime/storage/redis-connection.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { scriptsFor, type ScriptName } from '../../src/runtime/storage/redis-scripts.js';
import type { StepCall, StepReply } from '../../src/runtime/storage.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { done, generated, message } from './world.js';

const CONSUMER = 'c1';
const RING = '';
const END = 'end';
const [FIRST, SECOND, THIRD] = generated(0, 3) as [string, string, string];

let server: RedisServer;
let client: Redis;
let listener: Redis;
let queues = 0;
const told: [channel: string, text: string][] = [];

before(async () => {
  server = await startRedis();
  client = new Redis(server.url);
  listener = new Redis(server.url);
  await listener.subscribe(END);
  listener.on('message', (channel, text) => told.push([channel, text]));
});

after(async () => {
  client.disconnect();
  listener.disconnect();
  await server.stop();
});

/** A queue with one consumer, and what is there before the call. */
interface Before {
  landed?: string[];
  ready?: string[];
  /** Held one by one. */
  held?: string[];
  /** Fields of the hash of lanes. */
  lanes?: Record<string, string>;
  marked?: string;
}

class Queue {
  readonly #keys: RedisKeys;
  readonly prefix: string;

  constructor(name: string) {
    this.#keys = new RedisKeys(name);
    this.prefix = this.#keys.prefix;
  }

  async prepare({ landed = [], ready = [], held = [], lanes = {}, marked }: Before): Promise<this> {
    const p = this.prefix;
    await listener.subscribe(this.#keys.done(FIRST), this.#keys.done('a'));
    await client.zadd(`${p}consumers`, 1e13, CONSUMER);
    if (landed.length > 0) await client.rpush(`${p}landing:${CONSUMER}`, ...landed);
    if (ready.length > 0) await client.rpush(`${p}ready`, ...ready);
    for (const id of held) await client.hset(`${p}inflight:${CONSUMER}`, id, message(id));
    for (const [field, text] of Object.entries(lanes)) await client.hset(`${p}lanes:${CONSUMER}`, field, text);
    if (marked !== undefined) await client.hset(`${p}marks`, `i:${marked}`, `${'0'.repeat(13)}0${'0'.repeat(13)}`);
    return this;
  }

  async run(script: ScriptName, args: RedisArgument[]): Promise<Omit<StepReply, 'now'> | null> {
    const reply = await client.eval(scriptsFor(false)[script], 1, `${this.prefix}ready`, this.prefix, ...args);
    if (reply === null) return null;
    const { now, ...rest } = readStep(reply);
    assert.ok(Math.abs(now - Date.now()) < 60_000);
    return rest;
  }

  /** All keys and what is in them, the times of ends left out. */
  async dump(): Promise<Record<string, unknown>> {
    const dump: Record<string, unknown> = {};
    for (const key of (await client.keys('*')).filter((one) => one.startsWith(this.prefix)).sort()) {
      const name = key.slice(this.prefix.length);
      if (name.startsWith('result:')) {
        const values = Object.entries(await client.hgetall(key)).map(([field, text]) => [field, text.slice(13)]);
        dump[name] = [Object.fromEntries(values), await client.ttl(key)];
      } else if (name.startsWith('lanes:')) {
        dump[name] = Object.fromEntries(Object.entries(await client.hgetall(key)).map(([field, text]) => [field, parsed(text)]));
      } else {
        dump[name] = await contents(key);
      }
    }
    return dump;
  }

  /** All keys, as they are. */
  async bytes(): Promise<Record<string, string | undefined>> {
    const keys = (await client.keys('*')).filter((key) => key.startsWith(this.prefix)).sort();
    const values = keys.map(async (key): Promise<[string, string | undefined]> => [
      key,
      (await client.dumpBuffer(key))?.toString('base64'),
    ]);
    return Object.fromEntries(await Promise.all(values));
  }

  /** What it has told so far. */
  async news(): Promise<[channel: string, text: string][]> {
    // Whatever was told before is here when this is.
    await client.publish(END, this.prefix);
    while (!told.some(([channel, text]) => channel === END && text === this.prefix)) await new Promise(setImmediate);
    return told.filter(([channel]) => channel.startsWith(this.prefix)).map(([channel, text]) => [channel.slice(this.prefix.length), text]);
  }
}

/** The number of the call, and what is kept to repeat its reply. */
function parsed(text: string): unknown {
  const [, seq, json] = /^(\d+) (\{.*)$/.exec(text) ?? [];
  return json === undefined ? text : [seq, JSON.parse(json)];
}

async function contents(key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'list':
      return client.lrange(key, 0, -1);
    case 'hash':
      return client.hgetall(key);
    default:
      return client.zrange(key, '0', '-1', 'WITHSCORES');
  }
}

function callOf(parts: Partial<StepCall>): StepCall {
  return { consumer: CONSUMER, lane: 0, seq: 7, completions: [], transitions: [], chunks: 0, chunkSize: 1, solo: false, ...parts };
}

/** True where the short one took the call. Either way it has done what it should. */
async function quickly(state: Before, parts: Partial<StepCall>): Promise<boolean> {
  const call = callOf(parts);
  const [short, long] = await Promise.all(['short', 'long'].map((name) => new Queue(`${name}${queues++}`).prepare(state)));
  assert.ok(short && long);
  const untouched = await short.dump();
  const reply = await short.run('hueyQuickStep', quickStepArguments(call) ?? assert.fail('it is not even asked'));
  if (reply === null) {
    assert.deepEqual(await short.dump(), untouched);
    assert.deepEqual(await short.news(), []);
    return false;
  }
  assert.deepEqual(reply, await long.run('hueyStep', stepArguments(call)));
  assert.deepEqual(await short.dump(), await long.dump());
  assert.deepEqual(await short.news(), await long.news());
  // Its reply was lost: the long one is asked, and tells the same.
  const again = await short.run('hueyStep', stepArguments(call));
  assert.deepEqual(again, reply);
  return true;
}

const KEPT = '{"committed":0,"refused":0,"dropped":{},"chunks":[{"receipt":"","ids":"x"}]}';
const RECEIPT = `0.6.1 8 - ${'a'.repeat(40)}`;
const LONG = encodeCompletion({ id: FIRST, ttlSeconds: 100, record: encodeRecord('done', JSON.stringify('x'.repeat(2000))) });

const ask = { chunks: 2, chunkSize: 1 };

type Case = [what: string, state: Before, parts: Partial<StepCall>];

const TAKES: Case[] = [
  ['nothing is there', {}, ask],
  ['one has landed', { landed: [message(FIRST)] }, ask],
  ['one has landed, whose id was given', { landed: [message('a')] }, ask],
  ['one has landed, behind another call', { landed: [message(FIRST)], lanes: { 0: `6 ${KEPT}` } }, ask],
  ['one has landed, and what was kept goes', { landed: [message(FIRST)], lanes: keptReceipt() }, ask],
  ['one has landed, and one is ready', { landed: [message(FIRST)], ready: [message(SECOND)] }, ask],
  ['two have landed', { landed: [message(FIRST), message(SECOND)] }, ask],
  ['a ring has landed', { landed: [RING] }, ask],
  ['a ring has landed before a message', { landed: [RING, message(FIRST)] }, ask],
  ['more than a chunk are ready', { ready: [message(FIRST), message('b'), message(THIRD)] }, { chunks: 1, chunkSize: 2 }],
  ['one has ended', { held: [FIRST, SECOND] }, { completions: [done(FIRST)] }],
  ['one has ended, whose id was given', { held: ['a'] }, { completions: [done('a')] }],
  ['one has ended, and what was kept goes', { held: [FIRST], lanes: keptReceipt() }, { completions: [done(FIRST)] }],
  ['one has ended, with a long record', { held: [FIRST] }, { completions: [LONG] }],
  ['one has ended, and some are ready', { held: [FIRST], ready: [message(SECOND), message(THIRD)] }, { completions: [done(FIRST)] }],
  ['one has ended, and a ring is ready', { held: [FIRST], ready: [RING] }, { completions: [done(FIRST)] }],
  ['one has ended, and more is asked for', { held: [FIRST], ready: [message(SECOND)] }, { ...ask, completions: [done(FIRST)] }],
  ['two have ended', { held: [FIRST, SECOND] }, { completions: [Buffer.concat([done(FIRST), done(SECOND)])] }],
  ['two have ended, each told by itself', { held: [FIRST, 'a'] }, { completions: [done(FIRST), done('a')] }],
];

describe('the short script of a step does what the long one does', () => {
  for (const [what, state, parts] of TAKES) {
    it(`where ${what}`, async () => assert.equal(await quickly(state, parts), true));
  }
});

describe('the short script of a step leaves to the long one', () => {
  const leaves: Case[] = [
    ['what landed and is of another version', { landed: [message(FIRST).replace('["1', '["2')] }, ask],
    ['what landed and has a priority', { landed: [message(FIRST, { priority: 5 })] }, ask],
    ['what landed in two lines', { landed: [`${message(FIRST)}\n`] }, ask],
    ['what is no message', { landed: ['nonsense'] }, ask],
    ['the end of what is not held', { held: [SECOND] }, { completions: [done(FIRST)] }],
    ['an end that is told twice', { held: [FIRST] }, { completions: [done(FIRST), done(FIRST)] }],
    ['a call that it has answered', { landed: [message(FIRST)], lanes: { 0: `7 ${KEPT}` } }, ask],
    ['whatever it is, where anything is marked', { landed: [message(FIRST)], marked: SECOND }, ask],
  ];
  for (const [what, state, parts] of leaves) {
    it(what, async () => assert.equal(await quickly(state, parts), false));
  }
});

describe('the short script of a step has written nothing where a key of another type stops it', () => {
  const names = ['ready', 'consumers', `inflight:${CONSUMER}`, `landing:${CONSUMER}`, `lanes:${CONSUMER}`, `packs:${CONSUMER}`];
  for (const [what, state, parts] of TAKES) {
    it(`where ${what}`, async () => {
      let stopped = 0;
      for (const name of [...names, `result:${FIRST.slice(0, 16)}`, 'result:a']) {
        const queue = await new Queue(`typed${queues++}`).prepare(state);
        await client.del(queue.prefix + name);
        await client.set(queue.prefix + name, 'in the way');
        const bytes = await queue.bytes();
        try {
          await queue.run('hueyQuickStep', quickStepArguments(callOf(parts)) ?? []);
        } catch (error) {
          stopped += 1;
          assert.match(String(error), /WRONGTYPE/);
          assert.deepEqual(await queue.bytes(), bytes, name);
        }
      }
      // Who is registered and what the lane last did, at least, each call asks for.
      assert.ok(stopped >= 2, `${stopped}`);
    });
  }
});

function keptReceipt(): Record<string, string> {
  return {
    0: `6 {"committed":0,"refused":0,"dropped":{},"chunks":[{"receipt":"${RECEIPT}"}]}`,
    [RECEIPT]: `${FIRST} ${SECOND}`,
  };
}
