/** A queue in an SQLite file: nothing to install or start, for the processes of one machine. */
import path from 'node:path';
import { checkQueueName, embeddedFile } from '../runtime/connection.js';
import { ConfigurationError } from '../runtime/errors.js';
import { HUEY_KEYS, splitHueyOptions, type HueyOptions } from './huey-options.js';
import { Huey } from './huey.js';
import { checkKeys } from './option-check.js';

export interface SqliteHueyOptions extends HueyOptions {
  /** Default: `.huey/<queue>.db` beside the nearest package.json. Relative to the current folder. */
  filename?: string;
}

export class SqliteHuey extends Huey {
  /** @throws ConfigurationError */
  constructor(name: string, options: SqliteHueyOptions = {}) {
    checkQueueName(name);
    checkKeys(options, [...HUEY_KEYS, 'filename'], `SqliteHuey ${name}`);
    const { own, rest } = splitHueyOptions(options);
    super(name, { kind: 'sqlite', filename: fileOf(name, rest['filename']) }, own);
  }
}

/** Absolute: a consumer and its threads may stand in another folder. */
function fileOf(name: string, filename: unknown): string {
  if (filename === undefined) return embeddedFile(name);
  if (typeof filename === 'string' && filename !== '' && filename !== ':memory:') return path.resolve(filename);
  throw new ConfigurationError('filename must be the path of a file; for a queue in memory use MemoryHuey', 'bad-option');
}
