/**
 * Marks that keep tasks from starting, on one invocation by its id or on every invocation of a task by its name; and those
 * of invocations that are canceled.
 */
import { ID_MARK_LIFE_MS } from '../limits.js';
import type { Head } from '../message.js';
import type { Mark, MarkTarget } from '../storage.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';

const SWEEP_ROWS = 256;

export class Marks {
  readonly #any: SqlStatement;
  readonly #read: SqlStatement;
  readonly #write: SqlStatement;
  readonly #remove: SqlStatement;
  readonly #removeIds: SqlStatement;
  readonly #next: SqlStatement;
  readonly #sweepRange: SqlStatement;
  #cursor = '';

  constructor(db: SqlDatabase) {
    this.#any = db.prepare('SELECT 1 FROM marks LIMIT 1');
    this.#read = db.prepare('SELECT once, until FROM marks WHERE target = ? AND (ends = 0 OR ends > ?)');
    this.#write = db.prepare('INSERT OR REPLACE INTO marks (target, once, until, ends) VALUES (?, ?, ?, ?)');
    this.#remove = db.prepare('DELETE FROM marks WHERE target = ?');
    this.#removeIds = db.prepare(
      'DELETE FROM marks WHERE target IN (SELECT kind.value || id.value FROM json_each(\'["i","c"]\') AS kind, json_each(?) AS id)',
    );
    this.#next = db.prepare('SELECT target FROM marks WHERE target > ? ORDER BY target LIMIT 1 OFFSET ?');
    this.#sweepRange = db.prepare('DELETE FROM marks WHERE target > ? AND target <= ? AND ends > 0 AND ends <= ?');
  }

  /** Whether it is worth looking for marks at all. */
  any(): boolean {
    return this.#any.get() !== undefined;
  }

  /** @param dueAt of the invocation, where it is scheduled far ahead. */
  set(target: MarkTarget, { once, untilMs }: Mark, now: number, dueAt = now): void {
    const longest = 'id' in target ? Math.max(now, dueAt) + ID_MARK_LIFE_MS : Infinity;
    const ends = Math.min(untilMs === 0 ? Infinity : untilMs, longest);
    this.#write.run(keyOf(target), once ? 1 : 0, untilMs, ends === Infinity ? 0 : ends);
  }

  /** @param dueAt of the invocation, where it is scheduled far ahead. */
  cancel(id: string, now: number, dueAt = now): void {
    this.#write.run(canceledKey(id), 0, 0, Math.max(now, dueAt) + ID_MARK_LIFE_MS);
  }

  isCanceled(id: string, now: number): boolean {
    return this.#read.get(canceledKey(id), now) !== undefined;
  }

  withdrawCancel(id: string): void {
    this.#remove.run(canceledKey(id));
  }

  read(target: MarkTarget, now: number): Mark | undefined {
    const row = this.#read.get(keyOf(target), now);
    return row === undefined ? undefined : { once: row['once'] === 1, untilMs: Number(row['until']) };
  }

  /** True where it was in force. */
  remove(target: MarkTarget, now: number): boolean {
    const inForce = this.read(target, now) !== undefined;
    this.#remove.run(keyOf(target));
    return inForce;
  }

  forgetIds(ended: readonly { id: string }[]): void {
    if (this.any()) this.#removeIds.run(JSON.stringify(ended.map(({ id }) => id)));
  }

  /** Whether this invocation is kept from starting, by its own mark or by its task's; uses up a mark that holds once. */
  skips(head: Head, now: number): boolean {
    for (const target of [{ id: head.id }, { task: head.name }]) {
      const mark = this.read(target, now);
      if (mark === undefined) continue;
      if (mark.once) this.#remove.run(keyOf(target));
      return true;
    }
    return false;
  }

  sweep(now: number): void {
    const next = this.#next.get(this.#cursor, SWEEP_ROWS)?.['target'];
    const end = typeof next === 'string' ? next : undefined;
    this.#sweepRange.run(this.#cursor, end ?? '\u{10ffff}', now);
    this.#cursor = end ?? '';
  }
}

function keyOf(target: MarkTarget): string {
  return 'id' in target ? `i${target.id}` : `t${target.task}`;
}

function canceledKey(id: string): string {
  return `c${id}`;
}
