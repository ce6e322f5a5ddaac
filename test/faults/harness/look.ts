/**
 * A look at the storage behind its contract: who is registered, and what would stay behind for ever. The names of keys
 * and tables are those of redis-keys.ts and sqlite-schema.ts.
 */
import { openDatabase } from '../../../src/runtime/storage/sqlite-driver.js';
import { redisCommand } from './redis-wire.js';

export interface Look {
  /** Ids of the consumers that are registered now, dead ones included until they are reaped. */
  consumers(): Promise<string[]>;
  /** What must not be there when nothing is left to do, as `key` or `table: rows`. */
  leftovers(): Promise<string[]>;
}

/** Keys that stay by design: results, ids seen, tombstones and counters; what consumers that live have for themselves. */
const MAY_STAY = /^(result:|ids:|chord:|note:|dead|arrivals$|clock$|consumers$|ticks$|marks$|alien$|keys$|lanes:|instances$|far$)/;
const MUST_BE_EMPTY = ['ready', 'ranked', 'suspects', 'scheduled', 'inflight', 'uniques', 'locks', 'parked', 'holders', 'slots', 'turns'];

export function lookAt(url: string, queue: string): Look {
  return url.startsWith('sqlite:') ? sqliteLook(url.slice('sqlite:'.length)) : redisLook(Number(new URL(url).port), queue);
}

function redisLook(port: number, queue: string): Look {
  const prefix = `huey:{${queue}}:`;
  const texts = async (...args: string[]): Promise<string[]> => ((await redisCommand(port, ...args)) as (string | number)[]).map(String);
  const consumers = (): Promise<string[]> => texts('ZRANGE', `${prefix}consumers`, '0', '-1');
  return {
    consumers,
    async leftovers() {
      const living = new Set(await consumers());
      const found: string[] = [];
      for (const key of await texts('KEYS', `${prefix.replaceAll(/[[\]]/g, '\\$&')}*`)) {
        const name = key.slice(prefix.length);
        // Rings are empty elements that nobody waited for; they are no messages.
        if (name === 'ready' && (await texts('LRANGE', key, '0', '-1')).every((text) => text === '')) continue;
        if (name === 'locks' && (await texts('HKEYS', key)).length === 0) continue;
        const owner = /^(?:lanes|landing|inflight):(.*)$/.exec(name)?.[1];
        if (owner !== undefined && !living.has(owner)) found.push(name);
        else if (!MAY_STAY.test(name)) found.push(name);
      }
      return found;
    },
  };
}

function sqliteLook(file: string): Look {
  const select = async (sql: string): Promise<string[]> => {
    const db = await openDatabase(file);
    try {
      db.exec('PRAGMA busy_timeout = 5000');
      return db
        .prepare(sql)
        .all()
        .map((row) => String(row['value']));
    } finally {
      db.close();
    }
  };
  return {
    consumers: () => select('SELECT consumer AS value FROM consumers ORDER BY key'),
    async leftovers() {
      const found: string[] = [];
      for (const table of MUST_BE_EMPTY) {
        const [rows = '0'] = await select(`SELECT count(*) AS value FROM ${table}`);
        if (rows !== '0') found.push(`${table}: ${rows}`);
      }
      const [orphans = '0'] = await select('SELECT count(*) AS value FROM lanes WHERE consumer NOT IN (SELECT key FROM consumers)');
      if (orphans !== '0') found.push(`lanes of nobody: ${orphans}`);
      return found;
    },
  };
}
