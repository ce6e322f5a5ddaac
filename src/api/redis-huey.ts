/** A queue in Redis (or Valkey): for more than one machine. */
import type { Cluster, Redis, RedisOptions } from '../runtime/storage/redis-types.js';
import { checkQueueName, parseConnectionUrl, type ConnectionSpec } from '../runtime/connection.js';
import { ConfigurationError } from '../runtime/errors.js';
import { isRedisUrl, parseRedisUrl } from '../runtime/redis-url.js';
import { HUEY_KEYS, splitHueyOptions, type HueyOptions } from './huey-options.js';
import { Huey } from './huey.js';
import { checkKeys } from './option-check.js';
import { clusterAsData, REDIS_KEYS, redisOptionsAsData } from './redis-options.js';

/** A URL, or the options of ioredis, or both (then the options go before what the URL says). */
export interface RedisHueyOptions extends HueyOptions, RedisOptions {
  /**
   * redis://user:password@host:6379/0, redis+sentinel://host:26379/master, redis+cluster://host:7000; rediss for TLS.
   * Default: HUEY_URL, REDIS_URL, else this machine.
   */
  url?: string;
  /** Some nodes of a cluster, as HOST:PORT, URL or object; the others are found. In place of a URL. */
  cluster?: readonly (string | { host: string; port: number })[];
}

type RedisSpec = Extract<ConnectionSpec, { kind: 'redis' }>;

export class RedisHuey extends Huey {
  /** @throws ConfigurationError */
  constructor(name: string, options?: RedisHueyOptions);
  /** Takes the options of a client of ioredis; the client itself is left alone. */
  constructor(name: string, client: Redis | Cluster, options?: HueyOptions);
  constructor(name: string, first: RedisHueyOptions | Redis | Cluster = {}, second: HueyOptions = {}) {
    checkQueueName(name);
    if (isClient(first)) {
      super(
        name,
        isCluster(first) ? { kind: 'redis', cluster: clusterAsData(first) } : { kind: 'redis', options: redisOptionsAsData(first.options) },
        second,
      );
      return;
    }
    checkKeys(first, [...HUEY_KEYS, 'url', 'cluster', ...REDIS_KEYS], `RedisHuey ${name}`);
    const { own, rest } = splitHueyOptions(first);
    super(name, redisSpec(name, rest), own);
  }
}

const DEFAULT_URL = 'redis://127.0.0.1:6379';

function redisSpec(queue: string, { url, cluster, ...options }: Record<string, unknown>): RedisSpec {
  const data = redisOptionsAsData(options);
  if (cluster !== undefined) return clusterSpec(cluster, url, data);
  const extra = Object.keys(data).length === 0 ? {} : { options: data };
  if (url !== undefined) return { ...fromUrl(url, queue, 'url'), ...extra };
  // Whoever says where the server is means that one.
  if (['host', 'port', 'path', 'sentinels'].some((key) => data[key] !== undefined)) return { kind: 'redis', ...extra };
  return { ...fromSurroundings(queue), ...extra };
}

function clusterSpec(cluster: unknown, url: unknown, options: Record<string, unknown>): RedisSpec {
  if (url !== undefined) throw new ConfigurationError('cluster and url say the same thing; give one of them', 'bad-option');
  if (!Array.isArray(cluster) || cluster.length === 0) {
    throw new ConfigurationError("the option cluster is a list of nodes, as in ['host:7000']", 'bad-option');
  }
  for (const key of ['host', 'port', 'path', 'sentinels', 'name'].filter((name) => options[name] !== undefined)) {
    throw new ConfigurationError(`the option ${key} of a client has no meaning in a cluster`, 'bad-option');
  }
  return { kind: 'redis', cluster: { nodes: cluster.map(checkNode), options: { redisOptions: options } } };
}

function checkNode(node: unknown): unknown {
  if (typeof node === 'string') {
    parseRedisUrl(node.includes('://') ? node : `redis://${node}`, 'a node of the cluster');
    return node;
  }
  const { host, port } = (node ?? {}) as { host?: unknown; port?: unknown };
  if (typeof host === 'string' && Number.isInteger(port)) return node;
  throw new ConfigurationError("a node of the cluster is 'host:7000' or { host, port }", 'bad-option');
}

function fromSurroundings(queue: string): RedisSpec {
  const { HUEY_URL, REDIS_URL } = process.env;
  if (HUEY_URL !== undefined && isRedisUrl(HUEY_URL)) return fromUrl(HUEY_URL, queue, 'HUEY_URL');
  if (REDIS_URL !== undefined && REDIS_URL !== '') return fromUrl(REDIS_URL, queue, 'REDIS_URL');
  return { kind: 'redis', url: DEFAULT_URL };
}

function fromUrl(url: unknown, queue: string, source: string): RedisSpec {
  const spec = typeof url === 'string' ? parseConnectionUrl(url, queue, { source }) : undefined;
  if (spec?.kind === 'redis') return spec;
  throw new ConfigurationError(
    `the ${source} of a RedisHuey must begin with redis://, redis+sentinel://, redis+cluster://, or rediss for TLS`,
    'bad-url',
  );
}

/** By what they can do: a client may come from another copy of ioredis, which is not loaded here. */
function isClient(value: object): value is Redis | Cluster {
  return typeof (value as { duplicate?: unknown }).duplicate === 'function' && typeof (value as { options?: unknown }).options === 'object';
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return (client as { isCluster?: unknown }).isCluster === true;
}
