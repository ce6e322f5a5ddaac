/**
 * Where a queue is kept, as data that can cross threads, and how it is found where nobody says: HUEY_URL, else
 * REDIS_URL, else an SQLite file in the project. Also the rule for the names of queues.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from './errors.js';
import { QUEUE_NAME_MAX_CHARS } from './limits.js';
import { isRedisUrl, parseRedisUrl } from './redis-url.js';

export type ConnectionSpec =
  | { kind: 'redis'; url?: string; options?: Record<string, unknown>; cluster?: { nodes: unknown[]; options?: Record<string, unknown> } }
  | { kind: 'sqlite'; filename: string }
  | { kind: 'memory' };

export interface ConnectionSurroundings {
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
}

export interface ResolvedConnection {
  connection: ConnectionSpec;
  /** `embedded`: nothing was set, so it is the file of the project. */
  source: 'HUEY_URL' | 'REDIS_URL' | 'embedded';
}

/** HUEY_URL, else REDIS_URL, else the embedded file. @throws ConfigurationError where the URL is not understood. */
export function resolveConnection(
  queue: string,
  { env = process.env, cwd = process.cwd() }: ConnectionSurroundings = {},
): ResolvedConnection {
  for (const source of ['HUEY_URL', 'REDIS_URL'] as const) {
    const url = env[source];
    if (url !== undefined && url !== '') return { connection: parseConnectionUrl(url, queue, { cwd, source }), source };
  }
  return { connection: { kind: 'sqlite', filename: embeddedFile(queue, cwd) }, source: 'embedded' };
}

/**
 * The forms of redis-url.ts (redis://, redis+sentinel://, redis+cluster://, rediss for TLS), `sqlite:` with a path (none: the embedded file), file: URLs, `memory:`.
 * @throws ConfigurationError where it is something else; the error never shows the URL's password.
 */
export function parseConnectionUrl(
  url: string,
  queue: string,
  { cwd = process.cwd(), source = 'url' }: { cwd?: string; source?: string } = {},
): ConnectionSpec {
  if (isRedisUrl(url)) {
    parseRedisUrl(url, source);
    return { kind: 'redis', url };
  }
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0].toLowerCase();
  switch (scheme) {
    case 'sqlite:': {
      const file = sqliteFile(url.slice(scheme.length), source);
      return { kind: 'sqlite', filename: file === '' ? embeddedFile(queue, cwd) : path.resolve(cwd, file) };
    }
    case 'file:':
      return { kind: 'sqlite', filename: fileOfUrl(url, source) };
    case 'memory:':
      return { kind: 'memory' };
    default:
      throw new ConfigurationError(
        `${source} must begin with redis://, rediss://, redis+sentinel://, redis+cluster://, sqlite: or memory:${scheme === undefined ? '' : `; it begins with ${scheme}`}`,
        'bad-url',
      );
  }
}

function fileOfUrl(url: string, source: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new ConfigurationError(`${source} names no file: ${(cause as Error).message}`, 'bad-url', { cause });
  }
}

/** `.huey/<queue>.db` beside the nearest package.json, from the current folder upwards; without one, in the current folder. */
export function embeddedFile(queue: string, cwd: string = process.cwd()): string {
  // A colon separates streams of a file on Windows.
  return path.join(projectFolder(cwd), '.huey', `${queue.replaceAll(':', '%3A')}.db`);
}

/** 1 to QUEUE_NAME_MAX_CHARS of A-Z a-z 0-9 . _ : - ; anything else is refused, never stripped: `a-b` and `ab` are two queues. */
export function checkQueueName(name: unknown): string {
  if (typeof name === 'string' && name.length <= QUEUE_NAME_MAX_CHARS && /^[A-Za-z0-9._:-]+$/.test(name)) return name;
  throw new ConfigurationError(
    `a queue's name is 1 to ${QUEUE_NAME_MAX_CHARS} characters out of A-Z a-z 0-9 . _ : - ; it is ${typeof name === 'string' ? JSON.stringify(name.slice(0, 120)) : typeof name}`,
    'bad-queue-name',
  );
}

function projectFolder(cwd: string): string {
  for (let folder = path.resolve(cwd); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) return path.resolve(cwd);
  }
}

/** Takes `sqlite:a.db`, `sqlite:/a.db`, `sqlite:///a.db`. */
function sqliteFile(rest: string, source: string): string {
  if (rest === ':memory:' || rest === '//:memory:') {
    throw new ConfigurationError(`${source} is sqlite::memory:, which no second process could see; use memory: for tests`, 'bad-url');
  }
  if (!rest.startsWith('//')) return rest;
  const file = rest.slice(2);
  if (file === '' || file.startsWith('/') || file.startsWith('.')) return file;
  throw new ConfigurationError(
    `${source} names a host after sqlite://; a file is sqlite:relative/path.db or sqlite:///absolute/path.db`,
    'bad-url',
  );
}
