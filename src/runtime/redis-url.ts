/**
 * The forms of a URL that lead to Redis: one server, a master that sentinels know, a cluster; each with TLS or without.
 *
 *     redis://user:password@host:6379/0
 *     redis+sentinel://user:password@s1:26379,s2:26379/mymaster/0?sentinelPassword=secret
 *     redis+cluster://user:password@n1:7000,n2:7001
 *     rediss://..., rediss+sentinel://..., rediss+cluster://... with ?ca=file&cert=file&key=file&servername=name
 *
 * Only words and numbers here: no driver is loaded, no file is read. No error shows what may be a password.
 */
import { ConfigurationError } from './errors.js';

export interface RedisHost {
  host: string;
  port: number;
}

export interface RedisUrl {
  mode: 'single' | 'sentinel' | 'cluster';
  /** Of the server, of the sentinels, or of some nodes of the cluster. At least one. */
  hosts: RedisHost[];
  /** Of the master, as the sentinels call it. */
  master?: string;
  username?: string;
  password?: string;
  db: number;
  family?: number;
  /** Absent: no TLS. */
  tls?: TlsFiles;
  /** How the sentinels themselves are reached. */
  sentinel: { username?: string; password?: string; tls: boolean };
}

export interface TlsFiles {
  /** Files in PEM form, relative to the working directory. */
  ca?: string;
  cert?: string;
  key?: string;
  /** The name that the certificate must be for, where it is not that of the host. */
  servername?: string;
  /** False: any certificate will do. Default true. */
  rejectUnauthorized: boolean;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;
const PORT_MAX = 65_535;
const DB_MAX = 2 ** 31 - 1;

const PARAMETERS = {
  family: 'any',
  ca: 'tls',
  cert: 'tls',
  key: 'tls',
  servername: 'tls',
  rejectUnauthorized: 'tls',
  sentinelUsername: 'sentinel',
  sentinelPassword: 'sentinel',
  sentinelTls: 'sentinel',
} as const;

export function isRedisUrl(url: string): boolean {
  return /^rediss?(\+\w*)?:/i.test(url);
}

/** @throws ConfigurationError ('bad-url'); `source` is the name of the option or variable, for the error. */
export function parseRedisUrl(url: string, source = 'url'): RedisUrl {
  const refuse = (problem: string): never => {
    throw new ConfigurationError(`${source} ${problem}`, 'bad-url');
  };
  const [, scheme = '', authority = '', path = '', query = ''] = /^([^:]*):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url) ?? [];
  const [, secure, kind] = /^redis(s?)(?:\+(sentinel|cluster))?$/i.exec(scheme) ?? [];
  if (secure === undefined) {
    return refuse(
      'is no valid URL of Redis; it looks like redis://user:password@host:6379/0, redis+sentinel://host:26379/master or redis+cluster://host:7000 (rediss for TLS, and %2F for a slash in a password)',
    );
  }
  const mode = (kind?.toLowerCase() ?? 'single') as RedisUrl['mode'];
  const at = authority.lastIndexOf('@');
  const [user = '', ...rest] = at < 0 ? [] : authority.slice(0, at).split(':');
  const username = decoded(user, refuse);
  const password = decoded(rest.join(':'), refuse);

  const hosts = authority
    .slice(at + 1)
    .split(',')
    .map((text) => hostOf(text, mode === 'sentinel' ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT, refuse));
  if (mode === 'single' && hosts.length > 1) refuse('names several hosts; that takes redis+sentinel:// or redis+cluster://');

  const parts = path.split('/').map((part) => decoded(part, refuse));
  const master = mode === 'sentinel' ? parts.shift() : undefined;
  if (mode === 'sentinel' && (master ?? '') === '') refuse('lacks the name of the master, as in redis+sentinel://host:26379/mymaster/0');
  const [dbText = '', ...more] = parts;
  if (!/^\d*$/.test(dbText) || Number(dbText) > DB_MAX || more.some((part) => part !== ''))
    refuse('has no number of a database at the end of its path, as in redis://host:6379/0');
  if (mode === 'cluster' && Number(dbText) > 0) refuse('names a database, and a cluster has only number 0');

  const parameters = parametersOf(query, mode, secure !== '', refuse);
  const { family, sentinelUsername, sentinelPassword, sentinelTls } = parameters;
  if (family !== undefined && !['0', '4', '6'].includes(family)) refuse('has a family that is not 4, 6 or 0');
  return {
    mode,
    hosts,
    db: Number(dbText),
    ...(master === undefined ? {} : { master }),
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(family === undefined ? {} : { family: Number(family) }),
    ...(secure === '' ? {} : { tls: tlsOf(parameters, refuse) }),
    sentinel: {
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      tls: sentinelTls === undefined ? secure !== '' : flag(sentinelTls, 'sentinelTls', refuse),
    },
  };
}

/** One line for people: where it is, without passwords and files. */
export function describeRedisUrl({ mode, hosts, master, username, db, tls }: RedisUrl): string {
  const scheme = `redis${tls === undefined ? '' : 's'}${mode === 'single' ? '' : `+${mode}`}`;
  const user = username === undefined ? '' : `${encodeURIComponent(username)}@`;
  const path = [...(master === undefined ? [] : [master]), ...(db === 0 ? [] : [String(db)])];
  return `${scheme}://${user}${hosts.map(describeHost).join(',')}${path.map((part) => `/${part}`).join('')}`;
}

export function describeHost({ host, port }: RedisHost): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

type Refuse = (problem: string) => never;
type Parameters = Partial<Record<keyof typeof PARAMETERS, string>>;

function hostOf(text: string, defaultPort: number, refuse: Refuse): RedisHost {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d+))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || /[\s%]/.test(host)) return refuse('has a host that cannot be read; it looks like name:6379 or [::1]:6379');
  const number = port === undefined ? defaultPort : Number(port);
  if (number < 1 || number > PORT_MAX) refuse(`has a port that is not between 1 and ${PORT_MAX}`);
  return { host: host === '' ? DEFAULT_HOST : host, port: number };
}

function parametersOf(query: string, mode: RedisUrl['mode'], secure: boolean, refuse: Refuse): Parameters {
  const found: Parameters = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!isParameter(name)) return refuse(`has an unknown parameter ${name.slice(0, 40)}; there are ${Object.keys(PARAMETERS).join(', ')}`);
    const kind = PARAMETERS[name];
    if (kind === 'tls' && !secure) refuse(`has the parameter ${name}, which needs TLS: rediss:// in place of redis://`);
    if (kind === 'sentinel' && mode !== 'sentinel') refuse(`has the parameter ${name}, which needs redis+sentinel://`);
    if (value === '') refuse(`has a parameter ${name} without a value`);
    found[name] = value;
  }
  return found;
}

function isParameter(name: string): name is keyof typeof PARAMETERS {
  return Object.hasOwn(PARAMETERS, name);
}

function tlsOf({ ca, cert, key, servername, rejectUnauthorized }: Parameters, refuse: Refuse): TlsFiles {
  if ((cert === undefined) !== (key === undefined)) refuse('has one of the parameters cert and key; a client certificate needs both');
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: rejectUnauthorized === undefined || flag(rejectUnauthorized, 'rejectUnauthorized', refuse),
  };
}

function flag(value: string, name: string, refuse: Refuse): boolean {
  if (value !== 'true' && value !== 'false') refuse(`has a parameter ${name} that is neither true nor false`);
  return value === 'true';
}

function decoded(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('has a % in its user, password or path that begins no escape; a % itself is written %25');
  }
}
