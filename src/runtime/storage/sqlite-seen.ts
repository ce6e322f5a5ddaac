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

  /** For each id whether it is new; from now on it is not. */
  note(ids: readonly string[], now: number): boolean[] {
    const buckets = new Map<string, Bucket>();
    const isNew = ids.map((id) => (isGenerated(id) ? this.#noteBit(buckets, id, now) : this.#noteAlone(id, now)));
    for (const [name, bucket] of buckets) if (bucket.changed) this.#write.run(name, now + DEDUPE_TTL_MS, bucket.bits);
    return isNew;
  }

  /** Forgets what is over in the next few rows. */
  sweep(now: number): void {
    const next = this.#next.get(this.#cursor, SWEEP_ROWS)?.['bucket'];
    const end = typeof next === 'string' ? next : undefined;
    this.#sweep.run(this.#cursor, end ?? '\u{10ffff}', now);
    this.#cursor = end ?? '';
  }

  #noteBit(buckets: Map<string, Bucket>, id: string, now: number): boolean {
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
    if ((was & bit) !== 0) return false;
    bucket.bits[byte] = was | bit;
    bucket.changed = true;
    return true;
  }

  #noteAlone(id: string, now: number): boolean {
    const name = `i${id}`;
    if (this.#read.get(name, now) !== undefined) return false;
    this.#write.run(name, now + DEDUPE_TTL_MS, null);
    return true;
  }
}
