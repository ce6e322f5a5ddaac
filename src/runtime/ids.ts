/**
 * Ids of invocations. A generated id is 19 characters of base 36:
 *
 *     mb1x2k9c 7f3k0q2z 00a
 *     time     random   number within the bucket
 *
 * The first 16 are its bucket. A bucket belongs to one process, holds at most BUCKET_IDS ids and lives at most
 * BUCKET_LIFE_MS, so that results and the memory of enqueued ids can be kept by bucket (one key with one expiry for
 * thousands of tasks). Any other text may be given as an id; then it is its own bucket.
 */
import { ConfigurationError } from './errors.js';
import { ID_MAX_CHARS, MINUTE_MS } from './limits.js';

const BUCKET_CHARS = 16;
const ID_CHARS = 19;
/** Deleting a hash of this many fields stops a Redis server for about a millisecond. */
export const BUCKET_IDS = 4096;
const BUCKET_LIFE_MS = 10 * MINUTE_MS;

const GENERATED = /^[0-9a-z]{19}$/;
/** Printable ASCII without blanks, quotes and backslashes: it stands unescaped in the head of a message. */
const ALLOWED = /^[!#-[\]-~]+$/;

let sequences: readonly string[] | undefined;

export class IdGenerator {
  #bucket = '';
  #used = BUCKET_IDS;
  #startedAt = 0;
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  next(): string {
    if (this.#used >= BUCKET_IDS || this.#now() - this.#startedAt > BUCKET_LIFE_MS) this.#turn();
    // Made at the first call: threads that only work never come here.
    sequences ??= Array.from({ length: BUCKET_IDS }, (_, n) => n.toString(36).padStart(3, '0'));
    return this.#bucket + (sequences[this.#used++] ?? '');
  }

  #turn(): void {
    this.#startedAt = this.#now();
    const random = (randomBytes(6).readUIntBE(0, 6) % 36 ** 8).toString(36).padStart(8, '0');
    this.#bucket = Math.floor(this.#startedAt).toString(36).padStart(8, '0').slice(-8) + random;
    this.#used = 0;
  }
}

export function isGenerated(id: string): boolean {
  return id.length === ID_CHARS && GENERATED.test(id);
}

/** Where the result of this id is kept, and the name of the channel that tells of its end. */
export function bucketOf(id: string): string {
  return isGenerated(id) ? id.slice(0, BUCKET_CHARS) : id;
}

/** A random name for one life of a consumer: the token of its leases. */
export function newConsumerId(): string {
  return randomBytes(9).toString('base64url');
}

/** By a module that is loaded when it is needed: every start of a thread would pay for it. */
function randomBytes(count: number): Buffer {
  return process.getBuiltinModule('node:crypto').randomBytes(count);
}

/** @throws ConfigurationError where the text cannot be an id. */
export function checkId(id: unknown): string {
  if (typeof id !== 'string' || id.length === 0 || id.length > ID_MAX_CHARS || !ALLOWED.test(id)) {
    throw new ConfigurationError(
      `an id is 1 to ${ID_MAX_CHARS} printable ASCII characters without blanks, quotes and backslashes`,
      'bad-id',
    );
  }
  return id;
}
