/**
 * The options of the command as one table: names, letters, help, defaults, environment variables. What their values may
 * be is checked by the supervisor, which names them in camelCase.
 */
import { availableParallelism } from 'node:os';
import { HEALTH_HOST } from '../src/actors/supervisor-options.js';
import { HEALTH_FILE_INTERVAL_MS, LEASE_MS, SCHEDULER_INTERVAL_MS, SECOND_MS, STOP_GRACE_MS } from '../src/runtime/limits.js';
import { variableFor, type Option } from './option.js';

const RUN = 'What to run:';
const PERIODIC = 'Scheduled and periodic tasks:';
const LOG = 'Log:';
const SAFETY = 'Stopping and failing:';
const HEALTH = 'Health:';
const HUEY = "Taken for Huey's sake, without effect:";

const NO_POLLING = 'nothing is polled here, tasks are taken the moment they arrive';
const NO_HEALTH_CHECK = 'the end of a thread or an actor is noticed at once, nothing is polled for it';

export const OPTIONS = {
  module: { kind: 'text', group: RUN, help: 'The file that declares the tasks; also as the first argument' },
  huey: { kind: 'text', group: RUN, help: 'The export that holds the Huey, or the name of its queue', byDefault: 'found in the module' },
  all: { kind: 'flag', group: RUN, help: 'Run every Huey of the module, each with workers of its own', byDefault: 'false' },
  workers: { kind: 'number', group: RUN, letter: 'w', help: 'Threads that run tasks', byDefault: `cores: ${availableParallelism()}` },
  concurrency: { kind: 'number', group: RUN, help: 'Tasks at once in each thread, for tasks that wait (async)', byDefault: '1' },
  url: {
    kind: 'text',
    group: RUN,
    help: 'Where the queue is kept instead of where the module says: redis://, redis+sentinel://, redis+cluster://, rediss..., sqlite:FILE (HUEY_URL, through createHuey)',
    byDefault: "the module's",
    // Read by createHuey itself, in producers and consumers alike; a module that names its storage keeps it.
    variable: null,
  },
  redis: { kind: 'text', group: RUN, help: 'The same for Redis alone: a URL, or HOST:PORT', byDefault: 'none', variable: null },
  import: {
    kind: 'list',
    group: RUN,
    help: 'A module that threads load first, as node --import does: tsx for TypeScript',
    byDefault: 'none',
  },

  watch: {
    kind: 'flag',
    group: RUN,
    help: "Reload when code in the module's folder changes, for development",
    byDefault: 'false',
  },

  'no-periodic': { kind: 'flag', group: PERIODIC, letter: 'n', help: 'Enqueue no periodic tasks', byDefault: 'false' },
  'scheduler-interval': {
    kind: 'number',
    group: PERIODIC,
    letter: 's',
    help: 'Longest time between two looks for due tasks, seconds, a factor of 60',
    byDefault: String(SCHEDULER_INTERVAL_MS / SECOND_MS),
  },
  localtime: { kind: 'flag', group: PERIODIC, letter: 'o', help: 'Crontabs without a zone are in local time', byDefault: 'false' },
  utc: { kind: 'flag', group: PERIODIC, letter: 'u', help: 'Crontabs without a zone are in UTC', byDefault: 'true' },

  grace: {
    kind: 'number',
    group: SAFETY,
    help: 'How long a stop waits for what runs before it goes back to the queue, seconds',
    byDefault: String(STOP_GRACE_MS / SECOND_MS),
  },
  lease: {
    kind: 'number',
    group: SAFETY,
    help: 'Silent for so long, a consumer counts as dead and its tasks run again, seconds',
    byDefault: String(LEASE_MS / SECOND_MS),
  },

  'pid-file': {
    kind: 'text',
    group: SAFETY,
    help: 'A file for the number of the process, for huey-runtime reload; removed at the end, refused while its process lives',
    byDefault: 'none',
  },
  'max-tasks': {
    kind: 'number',
    group: SAFETY,
    letter: 'M',
    help: 'A thread is replaced after about so many tasks, for tasks that leak memory',
    byDefault: 'never',
  },
  'max-age': { kind: 'number', group: SAFETY, help: 'Age at which a thread is replaced, seconds', byDefault: 'never' },
  'max-heap': {
    kind: 'number',
    group: SAFETY,
    help: 'A thread whose heap holds more behind a task is replaced, MiB',
    byDefault: 'no limit',
  },
  'max-memory-per-worker': {
    kind: 'number',
    group: SAFETY,
    help: 'A thread whose heap needs more dies, and its task is charged with that, MiB',
    byDefault: "node's",
  },
  'flush-locks': {
    kind: 'flag',
    group: SAFETY,
    letter: 'f',
    help: 'Take every lock of the queue from whoever holds it, at start',
    byDefault: 'false',
  },
  'extra-locks': {
    kind: 'text',
    group: SAFETY,
    letter: 'L',
    help: 'The same for these locks, with commas between them',
    byDefault: 'none',
  },

  instance: {
    kind: 'text',
    group: SAFETY,
    help: 'Name of this consumer: started again under it after a crash, its tasks go back at once; one at a time has it',
    byDefault: 'none',
  },
  strict: {
    kind: 'flag',
    group: SAFETY,
    help: 'Refuse a server that may lose tasks (eviction, no AOF, a replica) or does not say, instead of warning of it',
    byDefault: 'false',
  },

  'health-port': {
    kind: 'number',
    group: HEALTH,
    help: 'A port that answers GET /live and GET /ready; 0: any that is free',
    byDefault: 'none',
  },
  'health-host': { kind: 'text', group: HEALTH, help: 'The address of that port; 0.0.0.0 for probes from outside', byDefault: HEALTH_HOST },
  'health-file': {
    kind: 'text',
    group: HEALTH,
    help: `A file that is touched every ${HEALTH_FILE_INTERVAL_MS / SECOND_MS} seconds while the consumer lives`,
    byDefault: 'none',
  },

  'log-format': { kind: 'text', group: LOG, help: 'For people, or JSON lines for programs', byDefault: 'text', choices: ['text', 'json'] },
  'log-level': {
    kind: 'text',
    group: LOG,
    help: 'The least that is written; debug has a line for every task',
    byDefault: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
  },
  logfile: { kind: 'text', group: LOG, letter: 'l', help: 'A file to append to', byDefault: 'standard output' },
  verbose: { kind: 'flag', group: LOG, letter: 'v', help: 'The same as --log-level debug', byDefault: 'false' },
  quiet: { kind: 'flag', group: LOG, letter: 'q', help: 'The same as --log-level error', byDefault: 'false' },
  simple: { kind: 'flag', group: LOG, letter: 'S', help: 'Text lines without time and level', byDefault: 'false' },

  delay: { kind: 'number', group: HUEY, letter: 'd', help: 'Pause between polls, seconds', byDefault: 'no polling', idle: NO_POLLING },
  'max-delay': { kind: 'number', group: HUEY, letter: 'm', help: 'Longest pause between polls', byDefault: 'no polling', idle: NO_POLLING },
  backoff: { kind: 'number', group: HUEY, letter: 'b', help: 'Growth of the pause', byDefault: 'no polling', idle: NO_POLLING },
  'health-check-interval': {
    kind: 'number',
    group: HUEY,
    letter: 'c',
    help: 'Seconds between looks at the workers',
    byDefault: 'always watched',
    idle: NO_HEALTH_CHECK,
  },
  'disable-health-check': {
    kind: 'flag',
    group: HUEY,
    letter: 'C',
    help: 'Do not look at the workers',
    byDefault: 'false',
    idle: NO_HEALTH_CHECK,
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** undefined: it has none. */
export function variableOf(name: OptionName): string | undefined {
  return variableFor(name, optionOf(name));
}
