/** Unique keys: which invocation has which, so that a second one is not stored while it has it. */
import type { UniqueClaim } from '../storage.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';

export class Uniques {
  readonly #find: SqlStatement;
  readonly #take: SqlStatement;
  readonly #free: SqlStatement;
  readonly #sweep: SqlStatement;

  constructor(db: SqlDatabase) {
    this.#find = db.prepare('SELECT id FROM uniques WHERE key = ? AND (ends = 0 OR ends > ?)');
    this.#take = db.prepare('INSERT OR REPLACE INTO uniques (key, id, ends) VALUES (?, ?, ?)');
    this.#free = db.prepare('DELETE FROM uniques WHERE key = ? AND id = ?');
    this.#sweep = db.prepare('DELETE FROM uniques WHERE ends > 0 AND ends <= ?');
  }

  /** Another invocation that has this key. */
  rival(key: string, id: string, now: number): string | undefined {
    const owner = this.#find.get(key, now)?.['id'];
    return typeof owner !== 'string' || owner === id ? undefined : owner;
  }

  take({ key, ttlMs }: UniqueClaim, id: string, now: number): void {
    this.#take.run(key, id, ttlMs === 0 ? 0 : Math.ceil(now + ttlMs));
  }

  free(key: string, id: string): void {
    this.#free.run(key, id);
  }

  sweep(now: number): void {
    this.#sweep.run(now);
  }
}
