/** The options of a task and of one call, as people write them, and what becomes of them. */
import { instantMs, type DateInput, type DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import { checkId } from '../runtime/ids.js';
import {
  CATCH_UP_MAX_MS,
  CATCH_UP_MS,
  CONCURRENCY_MAX,
  DELAY_MAX_MS,
  PRIORITY_MAX,
  RESULT_TTL_MAX_MS,
  RETRIES_MAX,
  RETRY_BACKOFF_MAX,
  RETRY_DELAY_MAX_MS,
  SECOND_MS,
  TIMEOUT_GRACE_MS,
  TIMEOUT_MAX_MS,
} from '../runtime/limits.js';
import type { TaskSettings } from '../runtime/registry.js';
import { keyRule, slotOf, type ConcurrencyKey, type KeyRule } from './concurrency-key.js';
import { booleanOption, checkKeys, durationOption, integerOption, isDurationInput, numberOption } from './option-check.js';
import { uniqueRule, type UniqueOptions, type UniqueRule } from './unique.js';

/** What a task and one call of it have in common. Times are seconds or luxon Durations. */
interface RunOptions {
  /** How often it is run again after an error. Default 0. */
  retries?: number;
  /** The wait before the first retry. Default 0, at most a day. */
  retryDelay?: DurationInput;
  /** Each next wait is this many times longer. Default 1. */
  retryBackoff?: number;
  /** Higher first, -4000 to 4000. Default 0. */
  priority?: number;
  /** Not started later than this: seconds from the enqueue, or a date. Default never. */
  expires?: DurationInput | DateInput;
  /** How long it may run, at most 20 days. Default 0: as long as it likes. */
  timeout?: DurationInput;
  /** How long its result is kept. Default: the Huey's. */
  resultTtl?: DurationInput;
  /** How many calls with the same `concurrencyKey` run at once, 1 to 1000. Default 1. The limit of the call that came last counts for all. */
  concurrencyLimit?: number;
}

export interface TaskOptions<A extends readonly unknown[] = never[]> extends RunOptions {
  /** Default: the function's own name. */
  name?: string;
  /** Between the abort signal of a timeout and the end of the thread. Default 5 s. */
  grace?: DurationInput;
  /** At most so many runs of it at once in one consumer, over all its threads, 1 to 1000. Default: no limit. */
  concurrency?: number;
  /** Has a thread for itself while it runs: nothing else runs beside it there, and nothing waits behind it. Default false. */
  exclusive?: boolean;
  /**
   * At most `concurrencyLimit` calls with the same key run at once, over all consumers of the queue; tasks that give the same
   * key share it. The others wait, in order, and cost nothing. A text, or a function that makes one of the arguments, and
   * undefined where a call has no limit. Default: none. Immediate mode takes no notice of it.
   */
  concurrencyKey?: ConcurrencyKey<A>;
  /** While a call with the same key waits or runs, a second one is not made. Default: every call is. */
  unique?: UniqueOptions<A>;
}

export interface PeriodicTaskOptions extends TaskOptions<[]> {
  /** A run that was missed no longer ago than this is made up for, once. Default 60 s, at most a day. */
  catchUp?: DurationInput;
  concurrencyKey?: string;
}

interface CallBase extends RunOptions {
  /** 1 to 128 printable ASCII characters. A second call with the same id within a day gives the handle of the first. */
  id?: string;
  /** Data for `currentTask().meta`. */
  meta?: Readonly<Record<string, unknown>>;
  /** Of dates given as ISO text without an offset: true (default) means local time, false UTC. */
  convertUtc?: boolean;
  /** In place of what the task says; false: not unique. */
  unique?: UniqueOptions | false;
  /** In place of what the task says; false: none. */
  concurrencyKey?: ConcurrencyKey | false;
}

/** Options of one call. `delay` or `eta`, not both: not before. */
export type CallOptions = CallBase & ({ delay?: DurationInput; eta?: never } | { delay?: never; eta?: DateInput });

/** Options of `schedule`: `args`, and one of `delay` and `eta`. */
export type ScheduleOptions<A extends readonly unknown[]> = CallBase &
  ([] extends A ? { args?: Readonly<A> } : { args: Readonly<A> }) &
  ({ delay: DurationInput; eta?: never } | { delay?: never; eta: DateInput });

/** One call's options after validation. */
export interface CallSettings {
  settings: TaskSettings;
  id?: string;
  meta?: Readonly<Record<string, unknown>>;
  when: { delayMs?: number; etaMs?: number };
}

const RUN_KEYS = [
  'retries',
  'retryDelay',
  'retryBackoff',
  'priority',
  'expires',
  'timeout',
  'resultTtl',
  'concurrencyLimit',
] as const satisfies (keyof RunOptions)[];
const TASK_KEYS = [
  'name',
  ...RUN_KEYS,
  'grace',
  'concurrency',
  'exclusive',
  'concurrencyKey',
  'unique',
] as const satisfies (keyof TaskOptions)[];
const PERIODIC_KEYS = [...TASK_KEYS, 'catchUp'] as const satisfies (keyof PeriodicTaskOptions)[];
const CALL_KEYS = [
  ...RUN_KEYS,
  'id',
  'meta',
  'delay',
  'eta',
  'convertUtc',
  'unique',
  'concurrencyKey',
] as const satisfies (keyof CallOptions)[];

const DEFAULTS: TaskSettings = { retries: 0, retryDelayMs: 0, retryBackoff: 1, priority: 0, timeoutMs: 0, graceMs: TIMEOUT_GRACE_MS };

/** What a task was declared with. */
export interface DeclaredSettings {
  settings: TaskSettings;
  unique: UniqueRule | undefined;
  keyed: KeyRule | undefined;
}

/** @throws ConfigurationError */
export function taskSettings(options: TaskOptions, what: string): DeclaredSettings {
  checkKeys(options, TASK_KEYS, what);
  const keyed = keyRule(options, undefined, what);
  return { settings: withKey(readTask(options), keyed, what), unique: uniqueRule(options.unique, what), keyed };
}

/** @throws ConfigurationError */
export function periodicSettings(options: PeriodicTaskOptions, what: string): DeclaredSettings & { catchUpMs: number } {
  checkKeys(options, PERIODIC_KEYS, what);
  const { catchUp } = options;
  const keyed = keyRule(options, undefined, what);
  // Ticks are made where the function is not.
  if (typeof keyed?.key === 'function') throw new ConfigurationError(`the concurrencyKey of ${what} must be a text`, 'bad-option');
  return {
    settings: withKey(readTask(options), keyed, what),
    unique: uniqueRule(options.unique, what),
    keyed,
    catchUpMs: catchUp === undefined ? CATCH_UP_MS : durationOption(catchUp, 'catchUp', 0, CATCH_UP_MAX_MS),
  };
}

/** `base` is what the task says. @throws ConfigurationError */
export function callSettings(options: CallOptions, base: TaskSettings, what: string): CallSettings {
  checkKeys(options, CALL_KEYS, what);
  const { id, meta, delay, eta, convertUtc } = options as CallBase & { delay?: DurationInput; eta?: DateInput };
  const dates = convertUtc === undefined ? {} : { convertUtc: booleanOption(convertUtc, 'convertUtc') };
  if (delay !== undefined && eta !== undefined) {
    throw new ConfigurationError(`${what} has both delay and eta; give one of them`, 'bad-option');
  }
  if (meta !== undefined && (typeof meta !== 'object' || meta === null || Array.isArray(meta))) {
    throw new ConfigurationError('meta must be an object', 'bad-option');
  }
  return {
    settings: readRun(options, base, dates),
    ...(id === undefined ? {} : { id: checkId(id) }),
    ...(meta === undefined ? {} : { meta }),
    when: {
      ...(delay === undefined ? {} : { delayMs: durationOption(delay, 'delay', 0, DELAY_MAX_MS) }),
      ...(eta === undefined ? {} : { etaMs: instantMs(eta, dates) }),
    },
  };
}

/** A key that is the same in every call goes with the settings, as data. */
export function withKey({ slot: _slot, ...settings }: TaskSettings, keyed: KeyRule | undefined, what: string): TaskSettings {
  const slot = typeof keyed?.key === 'string' ? slotOf(keyed, [], what) : undefined;
  return slot === undefined ? settings : { ...settings, slot };
}

/** The later ones win; a new delay takes the place of an eta, and the other way round. @throws ConfigurationError */
export function mergeCallOptions(before: CallOptions, options: CallOptions, what: string): CallOptions {
  checkKeys(options, CALL_KEYS, what);
  const { delay: _delay, eta: _eta, ...rest } = before;
  const hasWhen = options.delay !== undefined || options.eta !== undefined;
  return { ...(hasWhen ? rest : before), ...options };
}

function readTask(options: Omit<TaskOptions, 'unique' | 'concurrencyKey'>): TaskSettings {
  const settings = readRun(options, DEFAULTS, {});
  const { grace, concurrency, exclusive } = options;
  if (grace !== undefined) settings.graceMs = durationOption(grace, 'grace', 0, TIMEOUT_MAX_MS);
  if (concurrency !== undefined) settings.concurrency = integerOption(concurrency, 'concurrency', 1, CONCURRENCY_MAX);
  if (exclusive !== undefined) settings.exclusive = booleanOption(exclusive, 'exclusive');
  return settings;
}

/** What is undefined counts as absent. */
function readRun(options: RunOptions, base: TaskSettings, dates: { convertUtc?: boolean }): TaskSettings {
  const settings = { ...base };
  const { retries, retryDelay, retryBackoff, priority, expires, timeout, resultTtl } = options;
  if (retries !== undefined) settings.retries = integerOption(retries, 'retries', 0, RETRIES_MAX);
  if (retryDelay !== undefined) settings.retryDelayMs = durationOption(retryDelay, 'retryDelay', 0, RETRY_DELAY_MAX_MS);
  if (retryBackoff !== undefined) settings.retryBackoff = numberOption(retryBackoff, 'retryBackoff', 1, RETRY_BACKOFF_MAX);
  if (priority !== undefined) settings.priority = integerOption(priority, 'priority', -PRIORITY_MAX, PRIORITY_MAX);
  if (timeout !== undefined) settings.timeoutMs = durationOption(timeout, 'timeout', 0, TIMEOUT_MAX_MS);
  if (resultTtl !== undefined) settings.resultTtlMs = durationOption(resultTtl, 'resultTtl', SECOND_MS, RESULT_TTL_MAX_MS);
  if (expires !== undefined) {
    settings.expires = isDurationInput(expires)
      ? { afterMs: durationOption(expires, 'expires', 1, DELAY_MAX_MS) }
      : { atMs: instantMs(expires, dates) };
  }
  return settings;
}
