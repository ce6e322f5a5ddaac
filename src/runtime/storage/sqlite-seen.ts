/**
 * The memory of enqueued ids. Generated ids are kept by bucket, a bit for each, so that a bulk enqueue reads and writes
 * one row; any other id has a row of its own.
 */
import { bucketOf, isGenerated } from '../ids.js';
import { DEDUPE_TTL_MS } from '../limits.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';

const SWEEP_ROWS = 64;

interface Bucket {
  bits: Uint8Array;
  changed: boolean;
}

export class Seen {
  readonly #read: SqlStatement;
  readonly #write: SqlStatement;
  readonly #next: SqlStatement;
  readonly #sweep: SqlStatement;
  #cursor = '';

  constructor(db: SqlDatabase) {
    this.#read = db.prepare('SELECT bits FROM seen WHERE bucket = ? AND ends > ?');
    this.#write = db.prepare('INSERT OR REPLACE INTO seen (bucket, ends, bits) VALUES (?, ?, ?)');
    this.#next = db.prepare('SELECT bucket FROM seen WHERE bucket > ? ORDER BY bucket LIMIT 1 OFFSET ?');
    this.#sweep = db.prepare('DELETE FROM seen WHERE bucket > ? AND bucket <= ? AND ends <= ?');
  }

  /**
   * Goes through ids in order: `visit` gets whether one is new, and gives whether it is to be remembered. What is
   * remembered is no longer new further on.
   */
  each(ids: readonly string[], now: number, visit: (isNew: boolean, position: number) => boolean): void {
    const buckets = new Map<string, Bucket>();
    for (const [position, id] of ids.entries()) {
      if (isGenerated(id)) this.#visitBit(buckets, id, now, (isNew) => visit(isNew, position));
      else {
        const name = `i${id}`;
        const isNew = this.#read.get(name, now) === undefined;
        if (visit(isNew, position) && isNew) this.#write.run(name, now + DEDUPE_TTL_MS, null);
      }
    }
    for (const [name, bucket] of buckets) if (bucket.changed) this.#write.run(name, now + DEDUPE_TTL_MS, bucket.bits);
  }

  /** Forgets what is over in the next few rows. */
  sweep(now: number): void {
    const next = this.#next.get(this.#cursor, SWEEP_ROWS)?.['bucket'];
    const end = typeof next === 'string' ? next : undefined;
    this.#sweep.run(this.#cursor, end ?? '\u{10ffff}', now);
    this.#cursor = end ?? '';
  }

  #visitBit(buckets: Map<string, Bucket>, id: string, now: number, visit: (isNew: boolean) => boolean): void {
    const name = `b${bucketOf(id)}`;
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      const bits = this.#read.get(name, now)?.['bits'];
      // A copy: the bytes of the driver may be shared or short.
      bucket = { bits: bits instanceof Uint8Array ? new Uint8Array(bits) : new Uint8Array(0), changed: false };
      buckets.set(name, bucket);
    }
    const number = parseInt(id.slice(-3), 36);
    const byte = number >>> 3;
    const bit = 1 << (number & 7);
    if (byte >= bucket.bits.length) {
      const longer = new Uint8Array(Math.max(byte + 1, Math.min(512, 2 * bucket.bits.length + 8)));
      longer.set(bucket.bits);
      bucket.bits = longer;
    }
    const was = bucket.bits[byte] ?? 0;
    const isNew = (was & bit) === 0;
    if (!visit(isNew) || !isNew) return;
    bucket.bits[byte] = was | bit;
    bucket.changed = true;
  }
}
