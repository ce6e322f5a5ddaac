/**
 * What an operator should know of the Redis server that keeps a queue: its version, its role, whether it evicts, and
 * what its crash would lose. In a cluster each master is asked. Servers of providers often forbid CONFIG, an ACL may
 * forbid INFO: what cannot be asked is said to be unknown.
 */
import type { Redis } from 'ioredis';
import { StorageRefused } from '../errors.js';
import type { Finding } from '../finding.js';

/** `GETDEL`, `LMOVE`, `BLMOVE` and `ZRANGE ... BYSCORE` came with it. */
const OLDEST: readonly [major: number, minor: number] = [6, 2];
const NOT_ALLOWED = /\bNOPERM\b|unknown command|unknown subcommand|not allowed|disabled/i;

/** @param node in a cluster the one that has the queue. @throws StorageRefused where the server is too old */
export async function examineServer(node: Redis): Promise<Finding[]> {
  const info = await fieldsOfInfo(node);
  if (info === undefined) {
    return [
      {
        kind: 'unknown',
        text: 'the user may not ask for INFO: version, role, eviction and persistence of the server could not be checked (ACL: +info +config|get)',
      },
    ];
  }
  checkVersion(info);
  const asked = await settingsOf(node, ['appendfsync', 'save']);
  return [...role(info), ...eviction(info), ...persistence(info, asked)];
}

/** @throws StorageRefused */
function checkVersion(info: Fields): void {
  const version = info.get('redis_version') ?? '';
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === '') return;
  const isOld = Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1]);
  if (isOld)
    throw new StorageRefused(`the Redis server is version ${version}, and ${OLDEST.join('.')} is the oldest that works; update it`);
}

function role(info: Fields): Finding[] {
  if (info.get('role') !== 'slave') return [];
  const master = `${info.get('master_host') ?? '?'}:${info.get('master_port') ?? '?'}`;
  const text = `the Redis server is a replica of ${master}: it refuses what is written, or loses it with the next synchronisation; connect to its master`;
  return [{ kind: 'danger', text }];
}

function eviction(info: Fields): Finding[] {
  const policy = info.get('maxmemory_policy');
  if (policy === 'noeviction') return [];
  if (policy === undefined) {
    return [{ kind: 'unknown', text: 'the server does not say its maxmemory-policy; tasks are only safe with noeviction' }];
  }
  const what = policy.startsWith('volatile')
    ? 'results, chords and the memory of enqueued ids'
    : 'tasks that wait or run, and everything else';
  const text = `maxmemory-policy is ${policy}: when the server is full it deletes ${what}; set it to noeviction`;
  return [{ kind: 'danger', text }];
}

/** What a crash of the server loses, in one line. */
function persistence(info: Fields, asked: Fields | undefined): Finding[] {
  if (info.get('aof_enabled') === '1') {
    const fsync = asked?.get('appendfsync');
    switch (fsync) {
      case 'always':
        return [{ kind: 'note', text: 'the server appends every write to its file (AOF always): its crash loses nothing' }];
      case 'everysec':
        return [
          {
            kind: 'note',
            text: 'the server writes its file every second (AOF everysec): a crash of its machine loses the last second or two',
          },
        ];
      case 'no':
        return [
          {
            kind: 'danger',
            text: 'the server leaves it to the system when its file is written (AOF, appendfsync no): a crash of its machine loses up to half a minute; set appendfsync to everysec or always',
          },
        ];
      default:
        return [
          {
            kind: 'unknown',
            text: 'the server has AOF on; whether its crash loses nothing (always), a second or two (everysec) or more could not be checked (ACL: +config|get)',
          },
        ];
    }
  }
  const save = asked?.get('save');
  if (save === undefined) {
    return [
      {
        kind: 'danger',
        text: 'the server has AOF off: its crash loses what came after its last snapshot, if it makes any; set appendonly to yes',
      },
    ];
  }
  const text =
    save === ''
      ? 'the server keeps nothing on disk (no AOF, no RDB): its crash or restart loses every task; set appendonly to yes'
      : 'the server makes snapshots alone (RDB, no AOF): its crash loses the last minutes; set appendonly to yes';
  return [{ kind: 'danger', text }];
}

type Fields = ReadonlyMap<string, string>;

/** undefined: it is not allowed. */
async function fieldsOfInfo(node: Redis): Promise<Fields | undefined> {
  // Everything in one reply: the word for several sections is newer than 6.2.
  const text = await allowed(() => node.info());
  if (text === undefined) return undefined;
  const pairs = text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const [, name, value] = /^([a-z_]+):(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
  return new Map(pairs);
}

/** undefined: it is not allowed. */
async function settingsOf(node: Redis, names: readonly string[]): Promise<Fields | undefined> {
  const fields = new Map<string, string>();
  for (const name of names) {
    // One by one: several names in one call are newer than 6.2.
    const reply = await allowed(() => node.config('GET', name));
    if (!Array.isArray(reply)) return undefined;
    const [, value] = reply as unknown[];
    if (typeof value === 'string') fields.set(name, value);
  }
  return fields;
}

async function allowed<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && NOT_ALLOWED.test(error.message)) return undefined;
    throw error;
  }
}
