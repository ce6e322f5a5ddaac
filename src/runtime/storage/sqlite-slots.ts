/**
 * Keyed messages in the file: who has a slot of a key, who waits for one. Everything here runs inside a transaction of the
 * engine.
 *
 *  - A slot belongs to an id in flight. It is taken when a message is leased, and is free as soon as the id is in flight no
 *    more, whatever took it out.
 *  - Whoever finds no free slot when it is leased is parked: not looked at again until it is freed.
 *  - Each slot that becomes free frees the next one of the key: it goes to the head of where it can be leased, and keeps its
 *    turn until it has a slot, so that one that is overtaken is parked where it stood.
 *  - So while one of a key is parked, another of this key is in flight, or was freed and can be leased.
 */
import { idOf, type Head } from '../message.js';
import type { SqlDatabase, SqlRow, SqlStatement } from './sqlite-driver.js';
import { number, readWaiting, type Places, type Waiting } from './sqlite-places.js';

export class Slots {
  readonly #places: Places;
  readonly #any: SqlStatement;
  readonly #leave: SqlStatement;
  readonly #hold: SqlStatement;
  readonly #slots: SqlStatement;
  readonly #count: SqlStatement;
  readonly #limit: SqlStatement;
  readonly #forget: SqlStatement;
  readonly #park: SqlStatement;
  readonly #next: SqlStatement;
  readonly #drop: SqlStatement;
  readonly #turn: SqlStatement;
  readonly #keepTurn: SqlStatement;
  readonly #endTurn: SqlStatement;
  readonly #newTurn: SqlStatement;
  readonly #list: SqlStatement;
  #freed: Waiting[] = [];

  constructor(db: SqlDatabase, places: Places) {
    this.#places = places;
    this.#any = db.prepare('SELECT 1 FROM holders LIMIT 1');
    this.#leave = db.prepare('DELETE FROM holders WHERE id IN (SELECT value FROM json_each(?)) RETURNING key');
    this.#hold = db.prepare('INSERT OR IGNORE INTO holders (id, key) VALUES (?, ?)');
    this.#slots = db.prepare('SELECT taken, most FROM slots WHERE key = ?');
    this.#count = db.prepare('UPDATE slots SET taken = taken + ? WHERE key = ?');
    this.#limit = db.prepare('INSERT INTO slots (key, taken, most) VALUES (?1, 0, ?2) ON CONFLICT (key) DO UPDATE SET most = ?2');
    this.#forget = db.prepare('DELETE FROM slots WHERE key = ? AND taken = 0');
    this.#park = db.prepare('INSERT OR REPLACE INTO parked (key, level, turn, id, text) VALUES (?, ?, ?, ?, ?)');
    this.#next = db.prepare('SELECT seq, id, turn, text FROM parked WHERE key = ? ORDER BY level, turn LIMIT 1');
    this.#drop = db.prepare('DELETE FROM parked WHERE seq = ?');
    this.#turn = db.prepare('SELECT turn FROM turns WHERE id = ?');
    this.#keepTurn = db.prepare('INSERT OR REPLACE INTO turns (id, turn) VALUES (?, ?)');
    this.#endTurn = db.prepare('DELETE FROM turns WHERE id = ?');
    this.#newTurn = db.prepare(
      "INSERT INTO meta (name, value) VALUES ('turn', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
    );
    this.#list = db.prepare('SELECT text FROM parked ORDER BY key, level, turn LIMIT ?');
  }

  /** True where it may run; otherwise it is parked. */
  take(text: string, { id, slot, priority }: Head): boolean {
    if (slot === undefined) return true;
    const turn = this.#turn.get(id);
    if (turn !== undefined) this.#endTurn.run(id);
    let state = this.#slots.get(slot.key);
    if (state === undefined || (turn === undefined && number(state, 'most') !== slot.limit)) {
      // The limit of whoever came last counts for all.
      this.#limit.run(slot.key, slot.limit);
      state = { taken: number(state, 'taken'), most: slot.limit };
    }
    if (number(state, 'taken') < number(state, 'most')) {
      if (this.#hold.run(id, slot.key) > 0) this.#count.run(1, slot.key);
      return true;
    }
    const place = turn === undefined ? number(this.#newTurn.all()[0], 'value') : number(turn, 'turn');
    this.#park.run(slot.key, -priority, place, id, text);
    return false;
  }

  /** They were in flight and are no more. */
  leave(ids: readonly string[]): void {
    if (ids.length === 0 || this.#any.get() === undefined) return;
    for (const { key } of this.#leave.all(JSON.stringify(ids))) {
      this.#count.run(-1, String(key));
      this.#freeNext(String(key));
    }
  }

  /** It could be leased and will not run: where it was freed to do so, the next one is. */
  giveUp({ id, slot }: Head): void {
    if (slot !== undefined && this.#endTurn.run(id) > 0) this.#freeNext(slot.key);
  }

  /** To the head, in the order in which they were freed. */
  placeFreed(): void {
    const freed = this.#freed;
    this.#freed = [];
    this.#places.place(freed, 'head');
  }

  /** What a transaction freed that was rolled back. */
  clear(): void {
    this.#freed = [];
  }

  list(limit: number): SqlRow[] {
    return this.#list.all(limit);
  }

  #freeNext(key: string): void {
    const state = this.#slots.get(key);
    if (number(state, 'taken') >= number(state, 'most')) return;
    const next = this.#next.get(key);
    if (next === undefined) {
      this.#forget.run(key);
      return;
    }
    const text = String(next['text']);
    this.#drop.run(number(next, 'seq'));
    this.#keepTurn.run(idOf(text), number(next, 'turn'));
    this.#freed.push(readWaiting(text));
  }
}
