/** Where a connection leads: the options of a client, and, in a cluster, the nodes to begin with. From a URL, options, or both. */
import { readFileSync } from 'node:fs';
import type { NatMap, RedisOptions } from 'ioredis';
import type { ConnectionSpec } from '../connection.js';
import { ConfigurationError } from '../errors.js';
import { describeHost, describeRedisUrl, parseRedisUrl, type RedisHost, type RedisUrl, type TlsFiles } from '../redis-url.js';

export type RedisSpec = Extract<ConnectionSpec, { kind: 'redis' }>;

export interface RedisTarget {
  options: RedisOptions;
  /** Present: a cluster, and some of its nodes. */
  nodes?: RedisHost[];
  natMap?: NatMap;
}

/** A server or sentinel that does not answer must leave time to ask the next one. */
const CONNECT_TIMEOUT_MS = 2000;
const DEFAULT_PORT = 6379;
const DEFAULT_HOST = '127.0.0.1';

/** @throws ConfigurationError where a file of a certificate cannot be read. */
export function redisTarget(spec: RedisSpec): RedisTarget {
  const given = (spec.options ?? {}) as RedisOptions;
  if (spec.cluster !== undefined) {
    const { redisOptions = {}, natMap } = (spec.cluster.options ?? {}) as { redisOptions?: RedisOptions; natMap?: NatMap };
    const nodes = spec.cluster.nodes.map(nodeOf);
    const [{ options: ofFirst } = { options: {} }] = nodes;
    const options = { connectTimeout: CONNECT_TIMEOUT_MS, ...ofFirst, ...redisOptions, ...given };
    return { options, nodes: nodes.map(({ at }) => at), ...(natMap === undefined || natMap === null ? {} : { natMap }) };
  }
  if (spec.url === undefined) return { options: { connectTimeout: CONNECT_TIMEOUT_MS, ...sentinelDefaults(given), ...given } };
  const url = parseRedisUrl(spec.url);
  const ofUrl = { ...optionsOf(url), ...sentinelDefaults(given) };
  const tls = given.tls === undefined ? ofUrl.tls : { ...ofUrl.tls, ...given.tls };
  const options = { connectTimeout: CONNECT_TIMEOUT_MS, ...ofUrl, ...given, ...(tls === undefined ? {} : { tls }) };
  return url.mode === 'cluster' ? { options, nodes: url.hosts } : { options };
}

/** One line for people, without passwords. */
export function describeTarget(spec: RedisSpec): string {
  if (spec.cluster !== undefined) return `redis+cluster://${spec.cluster.nodes.map((node) => describeHost(nodeOf(node).at)).join(',')}`;
  if (spec.url !== undefined) return describeRedisUrl(parseRedisUrl(spec.url));
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, path, sentinels, name, tls } = (spec.options ?? {}) as RedisOptions;
  if (path !== undefined && path !== null) return path;
  const scheme = `redis${tls === undefined ? '' : 's'}`;
  if (sentinels === undefined || sentinels === null) return `${scheme}://${describeHost({ host, port })}`;
  const hosts = sentinels.map((one) => describeHost({ host: one.host ?? DEFAULT_HOST, port: Number(one.port ?? 26_379) }));
  return `${scheme}+sentinel://${hosts.join(',')}/${name ?? ''}`;
}

function optionsOf({ mode, hosts, master, username, password, db, family, tls, sentinel }: RedisUrl): RedisOptions {
  const [first = { host: DEFAULT_HOST, port: DEFAULT_PORT }] = hosts;
  const common: RedisOptions = {
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(family === undefined ? {} : { family }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  };
  if (mode !== 'sentinel') return mode === 'single' ? { ...common, ...first } : common;
  return {
    ...common,
    ...sentinelDefaults({ sentinels: hosts }),
    sentinels: hosts,
    name: master ?? '',
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true }),
    ...(sentinel.username === undefined ? {} : { sentinelUsername: sentinel.username }),
    ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
    ...(sentinel.tls ? { sentinelTLS: tls === undefined ? {} : tlsOptions(tls) } : {}),
  };
}

/** A sentinel that is stopped takes connections all the same, and answers nothing. */
function sentinelDefaults({ sentinels }: RedisOptions): RedisOptions {
  return sentinels === undefined || sentinels === null ? {} : { sentinelCommandTimeout: CONNECT_TIMEOUT_MS };
}

function tlsOptions({ ca, cert, key, servername, rejectUnauthorized }: TlsFiles): NonNullable<RedisOptions['tls']> {
  return {
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca: read('ca', ca) }),
    ...(cert === undefined ? {} : { cert: read('cert', cert) }),
    ...(key === undefined ? {} : { key: read('key', key) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function read(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`the file ${file}, named by ${name} in the URL of Redis, cannot be read: ${code}`, 'bad-tls-file', {
      cause: error,
    });
  }
}

/** A node as ioredis takes it: a port, a URL, HOST:PORT, or an object; its own password and TLS count for all. */
function nodeOf(node: unknown): { at: RedisHost; options: RedisOptions } {
  if (typeof node === 'number') return { at: { host: DEFAULT_HOST, port: node }, options: {} };
  if (typeof node === 'string') {
    const url = parseRedisUrl(node.includes('://') ? node : `redis://${node}`, 'a node of the cluster');
    const [at = { host: DEFAULT_HOST, port: DEFAULT_PORT }] = url.hosts;
    const { host: _host, port: _port, db: _db, ...options } = optionsOf({ ...url, mode: 'single' });
    return { at, options };
  }
  const { host, port, ...options } = (node ?? {}) as RedisOptions & { port?: number | string };
  return { at: { host: host ?? DEFAULT_HOST, port: Number(port ?? DEFAULT_PORT) }, options };
}
