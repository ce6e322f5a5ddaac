/** Makes the storage that a connection names. The drivers load only when they are used. */
import type { ConnectionSpec } from '../connection.js';
import type { Storage } from '../storage.js';

export async function createStorage(queue: string, connection: ConnectionSpec): Promise<Storage> {
  switch (connection.kind) {
    case 'redis': {
      const { RedisStorage } = await import('./redis.js');
      return new RedisStorage(queue, connection);
    }
    case 'sqlite': {
      const { SqliteStorage } = await import('./sqlite.js');
      return new SqliteStorage(queue, connection.filename);
    }
    case 'memory': {
      const { MemoryStorage } = await import('./memory.js');
      return MemoryStorage.shared(queue);
    }
  }
}

/** Loads the driver that this URL will need, ahead of time: while a thread loads the user's module, this one is idle. */
export function preloadStorage(url: string | undefined): void {
  // A failure shows again, and is told, when the storage is made.
  if (url?.startsWith('redis') === true) import('./redis.js').catch(() => undefined);
}
