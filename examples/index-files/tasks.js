/** The work as tasks. This is the file that the consumer is given: huey-runtime --module tasks.js */
import { huey } from './config.js';
import * as indexing from './indexing.js';

/** Reading the same file twice does no harm, so a file whose thread or process died is simply read again. */
export const indexFile = huey.task({ name: 'indexFile', retries: 2, retryDelay: 1, timeout: 120 }, indexing.indexFile);

export const mergeIndexes = huey.task({ name: 'mergeIndexes', retries: 2, retryDelay: 1 }, indexing.mergeIndexes);

export const writeReport = huey.task({ name: 'writeReport', retries: 2, retryDelay: 1 }, indexing.writeReport);
