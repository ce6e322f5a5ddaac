/** The storage of a consumer: where an option says that the queue is kept, else where its module says. */
import { embeddedFile, parseConnectionUrl } from '../runtime/connection.js';
import { createStorage } from '../runtime/storage/create.js';
import type { Storage } from '../runtime/storage.js';
import type { Logger } from './log.js';
import type { Manifest } from './protocol.js';

/** @throws ConfigurationError */
export async function openStorage(manifest: Manifest, url: string | undefined, log: Logger): Promise<Storage> {
  const { queue } = manifest;
  const connection = url === undefined ? manifest.connection : parseConnectionUrl(url, queue);
  if (process.env['NODE_ENV'] === 'production' && connection.kind === 'sqlite' && connection.filename === embeddedFile(queue)) {
    log.warn('NODE_ENV is production and no URL says where the queue is kept: it is the embedded file', { file: connection.filename });
  }
  return createStorage(queue, connection);
}
