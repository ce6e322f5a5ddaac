/** Every limit and default of the runtime that is not a user's option of one task. Units stand last in the names. */

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** How long a consumer may be silent before its tasks are given back. */
export const LEASE_MS = 15 * SECOND_MS;
/** A heartbeat and a look for dead consumers happen this many times per lease. */
export const BEATS_PER_LEASE = 3;

/** How long one call to a storage may take before it counts as lost. */
export const COMMAND_TIMEOUT_MS = 5 * SECOND_MS;
/** How long `enqueue` tries before it rejects. */
export const ENQUEUE_WAIT_MS = 5 * SECOND_MS;

export const RESULT_TTL_MS = DAY_MS;
/** Every ended task leaves at least a marker for this long, so that nobody waits for ever. */
export const END_MARKER_TTL_MS = 10 * MINUTE_MS;
/** An id that was enqueued is remembered this long: repeating the call makes no second task. */
export const DEDUPE_TTL_MS = DAY_MS;
/** A mark on one invocation goes away after this at the latest; so does a chord that nobody finishes. */
export const ID_MARK_LIFE_MS = 30 * DAY_MS;
export const DEAD_TTL_MS = 30 * DAY_MS;
export const DEAD_MAX = 10_000;
export const UNKNOWN_TASK_TTL_MS = HOUR_MS;

export const MESSAGE_MAX_BYTES = 1024 * 1024;
export const RESULT_MAX_BYTES = 1024 * 1024;
/** With compression on, a shorter body goes as it is. */
export const COMPRESSION_MIN_CHARS = 512;
export const PAYLOAD_MAX_DEPTH = 200;
export const NAME_MAX_CHARS = 200;
export const QUEUE_NAME_MAX_CHARS = 100;
export const ID_MAX_CHARS = 128;
/** A longer key of the option `unique` is stored as a digest. */
export const UNIQUE_KEY_MAX_CHARS = 200;
/** A longer key of the option `concurrencyKey`, as it is written in a message, is written as a digest. */
export const CONCURRENCY_KEY_MAX_CHARS = 200;
/** Of `huey.put` and its sisters. */
export const KEY_MAX_CHARS = 1000;
/** Messages or results in one answer. */
export const LIST_DEFAULT = 1000;
export const LIST_MAX = 1_000_000;
export const PRIORITY_MAX = 4000;
export const RETRIES_MAX = 36 ** 4 - 1;
export const TIMEOUT_MAX_MS = 20 * DAY_MS;
export const RETRY_DELAY_MAX_MS = DAY_MS;
export const RETRY_BACKOFF_MAX = 1000;
/** How far ahead a task may be scheduled, and how long a relative expiry may be. */
export const DELAY_MAX_MS = 100 * 365 * DAY_MS;
export const RESULT_TTL_MAX_MS = 3650 * DAY_MS;
export const CATCH_UP_MAX_MS = DAY_MS;
export const ENQUEUE_WAIT_MAX_MS = HOUR_MS;

/** Deaths that a task causes alone before it is put aside as dead: more than this. */
export const DEATHS_MAX = 3;
/** From this many lapses on, a task runs alone in its thread. */
export const SUSPECT_LAPSES = 2;

/** Tasks at once in one thread, and runs of one task at once in one consumer. */
export const CONCURRENCY_MAX = 1000;

/** Members of a chord: it is stored in one call. */
export const CHORD_MEMBERS_MAX = 10_000;
/** Of the name, the message and the stack of an error that is handed on, each. */
export const HANDED_ERROR_MAX_CHARS = 8 * 1024;

/** At most this many items in one storage call; longer lists are split. */
export const BATCH_MAX = 1000;
/** Due tasks promoted in one atomic call. */
export const PROMOTE_BATCH = 1000;
/** Tasks in one chunk handed to a worker thread. */
export const CHUNK_MIN = 1;
export const CHUNK_START = 16;
export const CHUNK_MAX = 512;

export const TIMEOUT_GRACE_MS = 5 * SECOND_MS;
export const STOP_GRACE_MS = 25 * SECOND_MS;
export const SCHEDULER_INTERVAL_MS = SECOND_MS;
export const CATCH_UP_MS = MINUTE_MS;
/** The file of `--health-file` is touched this often. */
export const HEALTH_FILE_INTERVAL_MS = 5 * SECOND_MS;
