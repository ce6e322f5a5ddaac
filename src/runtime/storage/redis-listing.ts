/** Looking at a queue in Redis as a whole, and emptying it. For people and tests; nothing here is on the way of a task. */
import type { Redis } from 'ioredis';
import { decodeRecord, GONE_PAYLOAD, type ResultRecord } from '../completion.js';
import { SEPARATOR } from '../message.js';
import type { Listed, Place } from '../storage.js';
import type { RedisConnection } from './redis-connection.js';
import type { RedisKeys } from './redis-keys.js';

const SCAN_COUNT = 1000;
/** A look at a whole queue may take longer than a call on the way of a task. */
const TIMEOUT_MS = 60_000;
/** In front of a parked message (redis-slots-lua.ts). */
const TURN_CHARS = 21;
/** What outlives a flush: consumers, and what they hold. */
const KEPT = /^(consumers|instances|clock|holders|slots|inflight:|packs:|landing:|lanes:)/;

export class RedisListing {
  readonly #keys: RedisKeys;
  readonly #commands: RedisConnection;

  constructor(keys: RedisKeys, commands: RedisConnection) {
    this.#keys = keys;
    this.#commands = commands;
  }

  async list(place: Place, limit: number): Promise<Listed[]> {
    if (limit === 0) return [];
    switch (place) {
      case 'ready':
        return this.#ready(limit);
      case 'scheduled':
        return this.#scheduled(limit);
      case 'running':
        return this.#running(limit);
      case 'dead':
        return this.#dead(limit);
    }
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    const results: { id: string; record: ResultRecord }[] = [];
    await this.#eachResult((id, record) => {
      if (results.length < limit) results.push({ id, record });
      return results.length < limit;
    });
    return results;
  }

  async resultCount(): Promise<number> {
    let count = 0;
    await this.#eachResult(() => {
      count += 1;
      return true;
    });
    return count;
  }

  async flush(): Promise<void> {
    const { prefix } = this.#keys;
    await this.#eachKey('*', async (client, names) => {
      const gone = names.filter((name) => !KEPT.test(name.slice(prefix.length)));
      if (gone.length > 0) await client.unlink(...gone);
      return true;
    });
  }

  async #ready(limit: number): Promise<Listed[]> {
    const p = this.#keys.prefix;
    return this.#commands.run(async (client) => {
      const [hi, ready, lo, suspects] = await Promise.all([
        client.zrange(`${p}hi`, '0', String(limit - 1)),
        client.lrange(`${p}ready`, 0, limit - 1),
        client.zrange(`${p}lo`, '0', String(limit - 1)),
        client.lrange(`${p}suspects`, 0, limit - 1),
      ]);
      const texts = [...hi, ...ready, ...lo, ...suspects].filter((text) => text !== '').slice(0, limit);
      if (texts.length < limit) texts.push(...(await this.#parked(client, limit - texts.length)));
      return texts.map((text) => ({ text }));
    });
  }

  /** In the order of each key. */
  async #parked(client: Redis, limit: number): Promise<string[]> {
    const p = this.#keys.prefix;
    const line = await client.zrange(`${p}line`, '0', String(limit - 1));
    if (line.length === 0) return [];
    const parked = await client.hmget(`${p}parked`, ...line.map((entry) => entry.slice(entry.lastIndexOf(' ') + 1)));
    return parked.flatMap((value) => (value === null ? [] : [value.slice(TURN_CHARS)]));
  }

  async #scheduled(limit: number): Promise<Listed[]> {
    const flat = await this.#commands.run((client) => client.zrange(`${this.#keys.prefix}scheduled`, '0', String(limit - 1), 'WITHSCORES'));
    return pairs(flat).map(([text, due]) => ({ text, etaMs: Number(due) }));
  }

  async #running(limit: number): Promise<Listed[]> {
    return this.#commands.run(async (client) => {
      const consumers = await client.zrange(`${this.#keys.prefix}consumers`, '0', '-1');
      const keys = consumers.flatMap((consumer) => [this.#keys.inflight(consumer), this.#keys.packs(consumer)]);
      const held = await Promise.all(keys.map((key) => client.hvals(key)));
      return held
        .flat()
        .flatMap((text) => text.split(SEPARATOR))
        .slice(0, limit)
        .map((text) => ({ text }));
    });
  }

  async #dead(limit: number): Promise<Listed[]> {
    const p = this.#keys.prefix;
    return this.#commands.run(async (client) => {
      const ids = await client.zrevrange(`${p}dead-at`, 0, limit - 1);
      if (ids.length === 0) return [];
      const values = await client.hmget(`${p}dead`, ...ids);
      return values.flatMap((value, i) => {
        if (value === null) return [];
        const lineEnd = value.indexOf('\n');
        const listed: Listed = {
          id: ids[i] ?? '',
          text: value.slice(lineEnd + 1),
          reason: value.slice(13, lineEnd),
          at: Number(value.slice(0, 13)),
        };
        return [listed];
      });
    });
  }

  /** Values that are there to be read: no end markers, nothing that was read or is over. Until `look` gives false. */
  async #eachResult(look: (id: string, record: ResultRecord) => boolean): Promise<void> {
    const start = `${this.#keys.prefix}result:`;
    await this.#eachKey('result:*', async (client, names) => {
      for (const name of names) {
        const bucket = name.slice(start.length);
        const fields = await client.hgetall(name);
        for (const [field, value] of Object.entries(fields)) {
          const record = decodeRecord(value.slice(13));
          if (Number(value.slice(0, 13)) <= Date.now() || record.payload === '' || record.payload === GONE_PAYLOAD) continue;
          if (!look(field === bucket ? field : bucket + field, record)) return false;
        }
      }
      return true;
    });
  }

  async #eachKey(pattern: string, visit: (client: Redis, names: string[]) => Promise<boolean>): Promise<void> {
    // A bracket begins a class in a pattern; the braces of the hash tag do not.
    const match = `${this.#keys.prefix.replaceAll(/[[\]*?\\]/g, '\\$&')}${pattern}`;
    await this.#commands.run(async (client) => {
      // In a cluster all keys of a queue are on the one node that this client leads to.
      let cursor = '0';
      do {
        const [next, names] = await client.scan(cursor, 'MATCH', match, 'COUNT', SCAN_COUNT);
        cursor = next;
        if (names.length > 0 && !(await visit(client, names))) return;
      } while (cursor !== '0');
    }, TIMEOUT_MS);
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return list;
}
