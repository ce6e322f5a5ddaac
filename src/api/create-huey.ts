/** Finds the storage by the surroundings, so that the same code runs on a laptop with nothing installed and on Redis. */
import { checkQueueName, resolveConnection, type ConnectionSpec } from '../runtime/connection.js';
import { workerContext } from '../runtime/worker-context.js';
import { HUEY_KEYS, type HueyOptions } from './huey-options.js';
import type { Huey } from './huey.js';
import { MemoryHuey } from './memory-huey.js';
import { checkKeys } from './option-check.js';
import { RedisHuey } from './redis-huey.js';
import { SqliteHuey } from './sqlite-huey.js';

/**
 * A Huey on what HUEY_URL names (redis://, redis+sentinel://, redis+cluster://, rediss for TLS; sqlite:, memory:), else REDIS_URL, else the SQLite file
 * `.huey/<queue>.db` beside the nearest package.json.
 * @throws ConfigurationError
 */
export function createHuey(name: string, options: HueyOptions = {}): Huey {
  checkQueueName(name);
  checkKeys(options, HUEY_KEYS, `createHuey ${name}`);
  const { connection, source } = resolveConnection(name);
  if (source === 'embedded') warnInProduction(name);
  return hueyOn(name, connection, options);
}

function hueyOn(name: string, connection: ConnectionSpec, options: HueyOptions): Huey {
  switch (connection.kind) {
    case 'redis':
      return new RedisHuey(name, connection.url === undefined ? options : { ...options, url: connection.url });
    case 'sqlite':
      return new SqliteHuey(name, { ...options, filename: connection.filename });
    case 'memory':
      return new MemoryHuey(name, options);
  }
}

let warned = false;

/** Once a process; in a consumer the supervisor says it, not each of its threads. */
function warnInProduction(name: string): void {
  if (warned || process.env['NODE_ENV'] !== 'production' || workerContext() !== undefined) return;
  warned = true;
  process.emitWarning(`the queue ${name} is kept in a file of this machine, because neither HUEY_URL nor REDIS_URL is set`, {
    type: 'HueyWarning',
    code: 'HUEY_EMBEDDED',
  });
}
