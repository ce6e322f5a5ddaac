/** The options that every Huey takes, whatever its storage. */
import type { DurationInput } from '../runtime/clock.js';
import { ENQUEUE_WAIT_MAX_MS, ENQUEUE_WAIT_MS, RESULT_TTL_MAX_MS, RESULT_TTL_MS, SECOND_MS } from '../runtime/limits.js';
import type { HueySettings } from '../runtime/worker-context.js';
import { booleanOption, checkKeys, durationOption } from './option-check.js';

export interface HueyOptions {
  /** False: values are not kept, only the fact that a task ended. Default true. Huey: `results`. */
  results?: boolean;
  /** True: a task that returns null or undefined leaves that as its value. Default false. Huey: `store_none`. */
  storeNone?: boolean;
  /** How long a result is kept: seconds or a luxon Duration. Default a day. */
  resultTtl?: DurationInput;
  /** How long a call tries to reach the storage before it rejects: seconds or a luxon Duration. Default 5 s. */
  enqueueWait?: DurationInput;
}

export const HUEY_KEYS = ['results', 'storeNone', 'resultTtl', 'enqueueWait'] as const satisfies (keyof HueyOptions)[];

/** @throws ConfigurationError */
export function hueySettings(options: HueyOptions, what: string): { settings: HueySettings; enqueueWaitMs: number } {
  checkKeys(options, HUEY_KEYS, what);
  const { results, storeNone, resultTtl, enqueueWait } = options;
  return {
    settings: {
      results: results === undefined || booleanOption(results, 'results'),
      storeNone: storeNone !== undefined && booleanOption(storeNone, 'storeNone'),
      resultTtlMs: resultTtl === undefined ? RESULT_TTL_MS : durationOption(resultTtl, 'resultTtl', SECOND_MS, RESULT_TTL_MAX_MS),
    },
    enqueueWaitMs: enqueueWait === undefined ? ENQUEUE_WAIT_MS : durationOption(enqueueWait, 'enqueueWait', 1, ENQUEUE_WAIT_MAX_MS),
  };
}

/** Splits what is a Huey's own from what belongs to its storage. */
export function splitHueyOptions<T extends object>(options: T): { own: HueyOptions; rest: Record<string, unknown> } {
  const own: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) ((HUEY_KEYS as readonly string[]).includes(key) ? own : rest)[key] = value;
  return { own: own, rest };
}
