/** What is kept of ended tasks, each for its time. */
import { decodeRecord, GONE_PAYLOAD, type ResultRecord } from '../completion.js';
import { ExpiringMap } from './memory-expiring.js';
import { hasValue } from './memory-rules.js';

export class MemoryRecords {
  readonly #records = new ExpiringMap<string>();

  has(id: string, now: number): boolean {
    return this.#records.get(id, now) !== undefined;
  }

  read(id: string, now: number): ResultRecord | undefined {
    const record = this.#records.get(id, now);
    return record === undefined ? undefined : decodeRecord(record);
  }

  keep(id: string, record: string, ttlSeconds: number, now: number): void {
    this.#records.set(id, record, now + ttlSeconds * 1000, now);
  }

  /** The state stays, so that a later reader learns that the value was read. */
  removeValue(id: string, now: number): void {
    this.#records.replace(id, (record) => (record.length > 1 ? record.slice(0, 1) + GONE_PAYLOAD : record), now);
  }

  delete(id: string): void {
    this.#records.delete(id);
  }

  clear(): void {
    this.#records.clear();
  }

  /** Values that are there to be read. */
  *values(now: number): Generator<{ id: string; record: ResultRecord }> {
    for (const [id, text] of this.#records.entries(now)) {
      const record = decodeRecord(text);
      if (hasValue(record)) yield { id, record };
    }
  }
}
