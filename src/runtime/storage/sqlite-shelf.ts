/** Small things that are kept by name: values, notes of running tasks, windows of rate limits. */
import type { NoteKind, RateReply } from '../storage.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import { number } from './sqlite-places.js';

export class Shelf {
  readonly #put: SqlStatement;
  readonly #putIfEmpty: SqlStatement;
  readonly #get: SqlStatement;
  readonly #delete: SqlStatement;
  readonly #setNote: SqlStatement;
  readonly #note: SqlStatement;
  readonly #window: SqlStatement;
  readonly #setWindow: SqlStatement;
  readonly #resetWindow: SqlStatement;
  readonly #sweeps: SqlStatement[];

  constructor(db: SqlDatabase) {
    this.#put = db.prepare('INSERT OR REPLACE INTO keys (key, text) VALUES (?, ?)');
    this.#putIfEmpty = db.prepare('INSERT OR IGNORE INTO keys (key, text) VALUES (?, ?)');
    this.#get = db.prepare('SELECT text FROM keys WHERE key = ?');
    this.#delete = db.prepare('DELETE FROM keys WHERE key = ?');
    this.#setNote = db.prepare('INSERT OR REPLACE INTO notes (id, kind, ends, text) VALUES (?, ?, ?, ?)');
    this.#note = db.prepare('SELECT text FROM notes WHERE id = ? AND kind = ? AND ends > ?');
    this.#window = db.prepare('SELECT usage, ends FROM rates WHERE name = ? AND ends > ?');
    this.#setWindow = db.prepare('INSERT OR REPLACE INTO rates (name, ends, usage) VALUES (?, ?, ?)');
    this.#resetWindow = db.prepare('DELETE FROM rates WHERE name = ?');
    this.#sweeps = [db.prepare('DELETE FROM notes WHERE ends <= ?'), db.prepare('DELETE FROM rates WHERE ends <= ?')];
  }

  put(key: string, text: string, ifEmpty: boolean): boolean {
    return (ifEmpty ? this.#putIfEmpty : this.#put).run(key, text) > 0;
  }

  get(key: string): string | undefined {
    return textOf(this.#get.get(key)?.['text']);
  }

  delete(key: string): boolean {
    return this.#delete.run(key) > 0;
  }

  setNote(id: string, kind: NoteKind, text: string, endsAt: number): void {
    this.#setNote.run(id, kind, Math.ceil(endsAt), text);
  }

  note(id: string, kind: NoteKind, now: number): string | undefined {
    return textOf(this.#note.get(id, kind, now)?.['text']);
  }

  /** Counts a call in a fixed window that begins with the first call in it. */
  rate(name: string, limit: number, perMs: number, count: boolean, now: number): RateReply {
    const window = this.#window.get(name, now);
    const usage = number(window, 'usage');
    const allowed = usage < limit;
    if (!allowed || !count) return { allowed, usage, resetMs: window === undefined ? 0 : number(window, 'ends') - now };
    const endsAt = window === undefined ? Math.ceil(now + perMs) : number(window, 'ends');
    this.#setWindow.run(name, endsAt, usage + 1);
    return { allowed, usage: usage + 1, resetMs: endsAt - now };
  }

  resetRate(name: string): void {
    this.#resetWindow.run(name);
  }

  sweep(now: number): void {
    for (const sweep of this.#sweeps) sweep.run(now);
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
