/**
 * Events on their way to whoever listens, in this process or another. They are written only while somebody listens,
 * who says so by a row that is renewed every few seconds, and are gone after a few seconds more: listeners read them
 * by number, and learn from a number that is missing that they were too slow.
 */
import { SECOND_MS } from '../limits.js';
import { BulkInsert } from './sqlite-bulk.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import type { Effects } from './sqlite-effects.js';
import { number } from './sqlite-places.js';

const EVENT_TTL_MS = 10 * SECOND_MS;
const LISTENER_TTL_MS = 10 * SECOND_MS;
/** A listener renews its row this often. */
export const LISTENER_RENEW_MS = 3 * SECOND_MS;
/** More than this are not kept, however short the time: listeners learn of a gap. */
const EVENTS_MAX = 20_000;
const READ_MAX = 1000;

export interface EventsRead {
  /** The number of the newest one that was read. */
  seq: number;
  events: string[];
  /** Some before these are gone. */
  gap: boolean;
}

export class Events {
  readonly #effects: Effects;
  readonly #insert: BulkInsert;
  readonly #wanted: SqlStatement;
  readonly #newest: SqlStatement;
  readonly #after: SqlStatement;
  readonly #forgetOld: SqlStatement;
  readonly #forgetMany: SqlStatement;
  readonly #isListening: SqlStatement;
  readonly #enter: SqlStatement;
  readonly #leave: SqlStatement;
  readonly #forgetListeners: SqlStatement;

  constructor(db: SqlDatabase, effects: Effects) {
    this.#effects = effects;
    this.#insert = new BulkInsert(db, 'INSERT INTO events (seq, at, text)', 3);
    this.#wanted = db.prepare('SELECT 1 FROM listeners WHERE ends > ? LIMIT 1');
    // Counts on when the table is empty.
    this.#newest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
    this.#after = db.prepare(`SELECT seq, text FROM events WHERE seq > ? ORDER BY seq LIMIT ${READ_MAX}`);
    this.#forgetOld = db.prepare('DELETE FROM events WHERE at <= ?');
    this.#forgetMany = db.prepare('DELETE FROM events WHERE seq <= ?');
    this.#isListening = db.prepare('SELECT 1 FROM listeners WHERE id = ? AND ends > ?');
    this.#enter = db.prepare('INSERT OR REPLACE INTO listeners (id, ends) VALUES (?, ?)');
    this.#leave = db.prepare('DELETE FROM listeners WHERE id = ?');
    this.#forgetListeners = db.prepare('DELETE FROM listeners WHERE ends <= ?');
  }

  wanted(now: number): boolean {
    return this.#wanted.get(now) !== undefined;
  }

  publish(events: readonly string[], now: number): void {
    if (events.length === 0 || !this.wanted(now)) return;
    this.#insert.run(events.flatMap((text) => [null, now, text]));
    this.#forgetOld.run(now - EVENT_TTL_MS);
    this.#forgetMany.run(this.newest() - EVENTS_MAX);
    this.#effects.published = true;
  }

  /** Enters a listener, renews it, or takes it out. Gives whether it was there without a break. */
  listen(listener: string, on: boolean, now: number): boolean {
    const wasThere = this.#isListening.get(listener, now) !== undefined;
    if (on) this.#enter.run(listener, now + LISTENER_TTL_MS);
    else this.#leave.run(listener);
    return wasThere;
  }

  newest(): number {
    return number(this.#newest.get(), 'seq');
  }

  /** Those after this number, as many as there are room for in one message. */
  after(seq: number): EventsRead {
    // Read before the rows: one that is published between the two must not look like one that is gone.
    const newest = this.newest();
    const rows = this.#after.all(seq);
    const first = rows[0];
    if (first === undefined) return { seq: Math.max(seq, newest), events: [], gap: newest > seq };
    return { seq: number(rows.at(-1), 'seq'), events: rows.map((row) => String(row['text'])), gap: number(first, 'seq') > seq + 1 };
  }

  sweep(now: number): void {
    this.#forgetOld.run(now - EVENT_TTL_MS);
    this.#forgetListeners.run(now);
  }
}
