/** The options that every Huey takes, whatever its storage. */
import type { DurationInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import { ENQUEUE_WAIT_MAX_MS, ENQUEUE_WAIT_MS, RESULT_TTL_MAX_MS, RESULT_TTL_MS, SECOND_MS } from '../runtime/limits.js';
import { checkSerializer, type PayloadSettings, type Serializer } from '../runtime/payload-codec.js';
import type { HueySettings } from '../runtime/worker-context.js';
import { booleanOption, checkKeys, durationOption } from './option-check.js';

export interface HueyOptions {
  /** False: values are not kept, only the fact that a task ended. Default true. Huey: `results`. */
  results?: boolean;
  /** True: a task that returns null or undefined leaves that as its value. Default false. Huey: `store_none`. */
  storeNone?: boolean;
  /** How long a result is kept: seconds or a luxon Duration. Default a day. */
  resultTtl?: DurationInput;
  /**
   * True: a failed attempt that will be retried can be read as an error by `get` meanwhile, and starts the handler of
   * errors. Default false: only the last failure counts. Huey: `store_intermediate_errors`.
   */
  storeIntermediateErrors?: boolean;
  /** How values become text, in place of JSON with tags for Date, Map and so on. Who produces and who consumes need the same. */
  serializer?: Serializer;
  /** Compress messages of half a kilobyte or more. Who consumes need not say so. */
  compression?: 'gzip';
  /** Sign messages with the first key, and refuse those that are signed with none of the keys. Everybody needs them. */
  signing?: { keys: readonly string[] };
  /** How long a call tries to reach the storage before it rejects: seconds or a luxon Duration. Default 5 s. */
  enqueueWait?: DurationInput;
  /** True: calls run where they are made, in memory, for tests. Default false. Huey: `immediate`. */
  immediate?: boolean;
}

export const HUEY_KEYS = [
  'results',
  'storeNone',
  'resultTtl',
  'storeIntermediateErrors',
  'serializer',
  'compression',
  'signing',
  'enqueueWait',
  'immediate',
] as const satisfies (keyof HueyOptions)[];

export interface CheckedHueyOptions {
  settings: HueySettings;
  serializer: Serializer | undefined;
  enqueueWaitMs: number;
  immediate: boolean;
}

/** @throws ConfigurationError */
export function hueySettings(options: HueyOptions, what: string): CheckedHueyOptions {
  checkKeys(options, HUEY_KEYS, what);
  const { results, storeNone, resultTtl, storeIntermediateErrors, serializer, enqueueWait, immediate } = options;
  return {
    settings: {
      results: results === undefined || booleanOption(results, 'results'),
      storeNone: storeNone !== undefined && booleanOption(storeNone, 'storeNone'),
      resultTtlMs: resultTtl === undefined ? RESULT_TTL_MS : durationOption(resultTtl, 'resultTtl', SECOND_MS, RESULT_TTL_MAX_MS),
      ...(storeIntermediateErrors === undefined
        ? {}
        : { storeIntermediateErrors: booleanOption(storeIntermediateErrors, 'storeIntermediateErrors') }),
      ...payloadSettings(options),
    },
    serializer: serializer === undefined ? undefined : checkSerializer(serializer),
    enqueueWaitMs: enqueueWait === undefined ? ENQUEUE_WAIT_MS : durationOption(enqueueWait, 'enqueueWait', 1, ENQUEUE_WAIT_MAX_MS),
    immediate: immediate !== undefined && booleanOption(immediate, 'immediate'),
  };
}

function payloadSettings({ compression, signing }: HueyOptions): { payload?: PayloadSettings } {
  if (compression === undefined && signing === undefined) return {};
  const payload: PayloadSettings = {};
  if (compression !== undefined) {
    if (compression !== 'gzip') throw new ConfigurationError("compression must be 'gzip'", 'bad-option');
    payload.compression = compression;
  }
  if (signing !== undefined) {
    checkKeys(signing, ['keys'], 'signing');
    const { keys } = signing;
    if (!Array.isArray(keys) || keys.length === 0 || keys.some((key) => typeof key !== 'string' || key === ''))
      throw new ConfigurationError('signing needs keys: a list of texts, the first of which signs', 'bad-option');
    payload.signingKeys = [...(keys as readonly string[])];
  }
  return { payload };
}

/** Splits what is a Huey's own from what belongs to its storage. */
export function splitHueyOptions<T extends object>(options: T): { own: HueyOptions; rest: Record<string, unknown> } {
  const own: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) ((HUEY_KEYS as readonly string[]).includes(key) ? own : rest)[key] = value;
  return { own: own, rest };
}
