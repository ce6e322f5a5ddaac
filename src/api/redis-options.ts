/** What ioredis takes, and how it becomes data that can cross to the threads of a consumer. */
import type { Cluster, RedisOptions } from '../runtime/storage/redis-types.js';
import { ConfigurationError } from '../runtime/errors.js';

/** Every option of ioredis; the type checker sees to it that none is missing. ioredis itself is not loaded here. */
const REDIS_OPTIONS = {
  Connector: true,
  autoPipeliningIgnoredCommands: true,
  autoResendUnfulfilledCommands: true,
  autoResubscribe: true,
  blockingTimeout: true,
  blockingTimeoutGrace: true,
  clientInfoTag: true,
  commandQueue: true,
  commandTimeout: true,
  connectTimeout: true,
  connectionName: true,
  db: true,
  disableClientInfo: true,
  disconnectTimeout: true,
  enableAutoPipelining: true,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  enableTLSForSentinelMode: true,
  failoverDetector: true,
  family: true,
  himportFieldsets: true,
  host: true,
  keepAlive: true,
  keyPrefix: true,
  lazyConnect: true,
  maxLoadingRetryTime: true,
  maxRetriesPerRequest: true,
  monitor: true,
  name: true,
  natMap: true,
  noDelay: true,
  offlineQueue: true,
  password: true,
  path: true,
  port: true,
  preferredSlaves: true,
  protocol: true,
  readOnly: true,
  reconnectOnError: true,
  replyMapping: true,
  retryStrategy: true,
  role: true,
  scripts: true,
  sentinelCommandTimeout: true,
  sentinelMaxConnections: true,
  sentinelPassword: true,
  sentinelReconnectStrategy: true,
  sentinelRetryStrategy: true,
  sentinelTLS: true,
  sentinelUsername: true,
  sentinels: true,
  showFriendlyErrorStack: true,
  socketTimeout: true,
  stringNumbers: true,
  tls: true,
  updateSentinels: true,
  username: true,
} as const satisfies Record<keyof RedisOptions, true>;

export const REDIS_KEYS: readonly string[] = Object.keys(REDIS_OPTIONS);

/** How a connection is retried is the runtime's own business. */
const OWN_BUSINESS = new Set([
  'Connector',
  'retryStrategy',
  'reconnectOnError',
  'sentinelRetryStrategy',
  'sentinelReconnectStrategy',
  'clusterRetryStrategy',
  'clusterNodeRetryStrategy',
]);

/** Options without functions. Those that would be missed are refused rather than dropped. @throws ConfigurationError */
export function redisOptionsAsData(options: object): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || OWN_BUSINESS.has(key)) continue;
    if (typeof value === 'function') {
      if (isDefault(value)) continue;
      throw new ConfigurationError(
        `the option ${key} of the Redis client is a function, which cannot be handed to the consumer's threads`,
        'bad-option',
      );
    }
    data[key] = isPlain(value) ? redisOptionsAsData(value) : value;
  }
  return data;
}

/** The nodes that a Cluster starts from, and its options. @throws ConfigurationError */
export function clusterAsData(cluster: Cluster): { nodes: unknown[]; options: Record<string, unknown> } {
  // Not in ioredis's types; `duplicate` of a Cluster relies on it as well.
  const { startupNodes } = cluster as unknown as { startupNodes?: unknown };
  if (!Array.isArray(startupNodes))
    throw new ConfigurationError('the nodes of this Cluster cannot be read; is it one of ioredis?', 'bad-option');
  const nodes = (startupNodes as unknown[]).map((node) => (isPlain(node) ? redisOptionsAsData(node) : node));
  return { nodes, options: redisOptionsAsData(cluster.options) };
}

/** What a Cluster uses where nothing is said. The module is loaded only here: every start of a thread would pay for it. */
function isDefault(value: unknown): boolean {
  const { lookup, resolveSrv } = process.getBuiltinModule('node:dns');
  return value === lookup || value === resolveSrv;
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
