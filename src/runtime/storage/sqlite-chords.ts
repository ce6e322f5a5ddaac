/**
 * What chords have collected. A chord is open until every member has contributed, then fired (its callback was made
 * ready) until the callback has ended; what is left then is a tombstone, so that a member that is retried later
 * neither fires again nor opens a new count.
 */
import { DAY_MS } from '../limits.js';
import type { CheckedChord, CheckedItem } from './checks.js';
import { readyItem } from './checks.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import { number } from './sqlite-places.js';

/** A chord that nobody finishes is forgotten after this. */
const CHORD_TTL_MS = 30 * DAY_MS;
const TOMBSTONE_TTL_MS = DAY_MS;

export class Chords {
  readonly #add: SqlStatement;
  readonly #find: SqlStatement;
  readonly #contribute: SqlStatement;
  readonly #count: SqlStatement;
  readonly #fire: SqlStatement;
  readonly #bury: SqlStatement;
  readonly #read: SqlStatement;
  readonly #clear: SqlStatement;
  readonly #forgetValues: SqlStatement;
  readonly #forget: SqlStatement;

  constructor(db: SqlDatabase) {
    this.#add = db.prepare('INSERT OR IGNORE INTO chords (id, ends, size, callback) VALUES (?, ?, ?, ?)');
    this.#find = db.prepare('SELECT size, callback FROM chords WHERE id = ? AND ends > ?');
    this.#contribute = db.prepare('INSERT OR IGNORE INTO chord_values (chord, idx, value) VALUES (?, ?, ?)');
    this.#count = db.prepare('SELECT count(*) AS n FROM chord_values WHERE chord = ?');
    this.#fire = db.prepare('UPDATE chords SET callback = NULL, ends = ? WHERE id = ?');
    this.#bury = db.prepare('INSERT OR REPLACE INTO chords (id, ends, size, callback) VALUES (?, ?, 0, NULL)');
    this.#read = db.prepare('SELECT idx, value FROM chord_values WHERE chord = ?');
    this.#clear = db.prepare('DELETE FROM chord_values WHERE chord = ?');
    this.#forgetValues = db.prepare('DELETE FROM chord_values WHERE chord IN (SELECT id FROM chords WHERE ends <= ?)');
    this.#forget = db.prepare('DELETE FROM chords WHERE ends <= ?');
  }

  /** One that is known, and be it as a tombstone, is left as it is. */
  add(chords: readonly CheckedChord[], now: number): void {
    if (chords.length === 0) return;
    this.sweep(now);
    for (const { id, size, callback } of chords) this.#add.run(id, now + CHORD_TTL_MS, size, callback.text);
  }

  /** Gives the callback where this was the last contribution. */
  contribute({ id, index, value }: { id: string; index: number; value: string }, now: number): CheckedItem | undefined {
    const chord = this.#find.get(id, now);
    const callback = chord?.['callback'];
    if (typeof callback !== 'string' || index >= number(chord, 'size')) return undefined;
    if (this.#contribute.run(id, index, value) === 0) return undefined;
    if (number(this.#count.get(id), 'n') < number(chord, 'size')) return undefined;
    // The callback may wait long for its turn, and needs the list then.
    this.#fire.run(now + CHORD_TTL_MS, id);
    return readyItem(callback);
  }

  read(id: string, now: number): (string | undefined)[] {
    const values = Array.from<string | undefined>({ length: number(this.#find.get(id, now), 'size') });
    for (const row of values.length === 0 ? [] : this.#read.all(id)) values[number(row, 'idx')] = String(row['value']);
    return values;
  }

  end(id: string, now: number): void {
    this.#clear.run(id);
    this.#bury.run(id, now + TOMBSTONE_TTL_MS);
  }

  sweep(now: number): void {
    this.#forgetValues.run(now);
    this.#forget.run(now);
  }
}
