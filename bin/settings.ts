/** From what was typed to what is made of it: the options of the supervisor, the log, the notes to begin with. */
import { statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CreateSupervisorOptions, LogLevel } from '../src/actors/index.js';
import { parseConnectionUrl } from '../src/runtime/connection.js';
import { ConfigurationError } from '../src/runtime/errors.js';
import { isRedisUrl } from '../src/runtime/redis-url.js';
import { isOptionName, OPTION_NAMES, optionOf, type OptionName } from './options.js';
import { UsageError, type Values } from './values.js';

export interface Settings {
  /** Absolute path of the user's module. */
  module: string;
  supervisor: CreateSupervisorOptions;
  /** Every Huey of the module, and not one. */
  all: boolean;
  log: LogSettings;
  /** Absolute path; undefined: none is written. */
  pidFile: string | undefined;
  /** Reload when files change. */
  watch: boolean;
  /** Lines about options that were given and do nothing. */
  notes: readonly string[];
}

export interface LogSettings {
  level: LogLevel;
  format: 'text' | 'json';
  simple: boolean;
  /** undefined: standard output. */
  file: string | undefined;
}

/** @throws UsageError */
export function settingsOf(values: Values<OptionName>, cwd: string = process.cwd()): Settings {
  const module = moduleOf(values, cwd);
  if (values.flag('all') && values.has('huey')) throw new UsageError('--all and --huey say opposite things; give one of them');
  return {
    module,
    all: values.flag('all'),
    supervisor: { ...supervisorOptions(values, cwd), module: pathToFileURL(module), inline: true },
    log: logSettings(values, cwd),
    pidFile: fileOf(values.text('pid-file'), cwd),
    watch: values.flag('watch'),
    notes: OPTION_NAMES.flatMap((name) => {
      const { idle } = optionOf(name);
      return idle !== undefined && values.has(name) ? [`--${name} has no effect: ${idle}`] : [];
    }),
  };
}

function fileOf(file: string | undefined, cwd: string): string | undefined {
  return file === undefined ? undefined : path.resolve(cwd, file);
}

/** The supervisor names its options in camelCase; who typed them knows them otherwise. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigurationError)) return error;
  const [word = ''] = error.message.split(' ', 1);
  const name = word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return new UsageError(isOptionName(name) ? `--${name}${error.message.slice(word.length)}` : error.message);
}

function supervisorOptions(values: Values<OptionName>, cwd: string): Omit<CreateSupervisorOptions, 'module'> {
  const url = urlOf(values);
  const huey = values.text('huey');
  const workers = values.number('workers');
  const concurrency = values.number('concurrency');
  const schedulerInterval = values.number('scheduler-interval');
  const lease = values.number('lease');
  const grace = values.number('grace');
  const maxTasks = values.number('max-tasks');
  const maxAge = values.number('max-age');
  const maxHeap = values.number('max-heap');
  const maxMemoryPerWorker = values.number('max-memory-per-worker');
  const imports = values.list(`import`);
  const instance = values.text('instance');
  const healthPort = values.number('health-port');
  const healthHost = values.text('health-host');
  const healthFile = values.text('health-file');
  const extraLocks = values
    .text('extra-locks')
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (values.flag('localtime') && values.flag('utc')) throw new UsageError('--localtime and --utc say opposite things; give one of them');
  return {
    periodic: !values.flag('no-periodic'),
    localtime: values.flag('localtime'),
    flushLocks: values.flag('flush-locks'),
    ...(extraLocks === undefined ? {} : { extraLocks }),
    ...(url === undefined ? {} : { url }),
    ...(huey === undefined ? {} : { huey }),
    ...(workers === undefined ? {} : { workers }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(schedulerInterval === undefined ? {} : { schedulerInterval }),
    ...(lease === undefined ? {} : { lease }),
    ...(grace === undefined ? {} : { grace }),
    ...(maxTasks === undefined ? {} : { maxTasks }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(maxHeap === undefined ? {} : { maxHeap }),
    ...(maxMemoryPerWorker === undefined ? {} : { maxMemoryPerWorker }),
    ...(imports === undefined ? {} : { import: imports }),
    strict: values.flag('strict'),
    ...(instance === undefined ? {} : { instance }),
    ...(healthPort === undefined ? {} : { healthPort }),
    ...(healthHost === undefined ? {} : { healthHost }),
    ...(healthFile === undefined ? {} : { healthFile: path.resolve(cwd, healthFile) }),
  };
}

/** @throws UsageError */
export function moduleOf(values: Pick<Values<'module'>, 'text'>, cwd: string): string {
  const given = values.text('module');
  if (given === undefined) throw new UsageError('name the file that declares the tasks: huey-runtime --module tasks.js');
  const { file, stats } = fileAt(given, cwd);
  if (stats === undefined) throw new UsageError(`--module: there is no file ${given} in ${cwd}`);
  if (stats.isDirectory()) throw new UsageError(`--module: ${given} is a folder; name the file that declares the tasks`);
  return file;
}

/** What a file: URL or a path leads to, if to anything. */
function fileAt(given: string, cwd: string): { file: string; stats: Stats | undefined } {
  try {
    const file = given.startsWith('file:') ? fileURLToPath(given) : path.resolve(cwd, given);
    return { file, stats: statSync(file, { throwIfNoEntry: false }) };
  } catch (error) {
    throw new UsageError(`--module: ${given} cannot be looked at: ${(error as Error).message}`);
  }
}

/** @throws UsageError */
export function urlOf(values: Pick<Values<'url' | 'redis'>, 'text'>): string | undefined {
  const redis = values.text('redis');
  const url = values.text('url');
  if (redis === undefined) return url === undefined ? undefined : checkedUrl(url, '--url');
  if (url !== undefined) throw new UsageError('--url and --redis say the same thing; give one of them');
  const full = redis.includes('://') ? redis : `redis://${redis}`;
  if (!isRedisUrl(full)) throw new UsageError('--redis must begin with redis:// or rediss://; for other storages there is --url');
  return checkedUrl(full, '--redis');
}

function checkedUrl(url: string, source: string): string {
  try {
    // The queue is in the module; for the form of the URL any will do.
    parseConnectionUrl(url, 'queue', { source });
  } catch (error) {
    throw asUsageError(error);
  }
  return url;
}

function logSettings(values: Values<OptionName>, cwd: string): LogSettings {
  const verbose = values.flag('verbose');
  const quiet = values.flag('quiet');
  if (verbose && quiet) throw new UsageError('--verbose and --quiet say opposite things; give one of them');
  const file = values.text('logfile');
  const asked = (values.text('log-level') ?? 'info') as LogLevel;
  return {
    level: verbose ? 'debug' : quiet ? 'error' : asked,
    format: values.text('log-format') === 'json' ? 'json' : 'text',
    simple: values.flag('simple'),
    file: file === undefined ? undefined : path.resolve(cwd, file),
  };
}
