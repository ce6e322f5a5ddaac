/**
 * Canceling in the file: the mark on one invocation, the search for one that waits, and its end. Runs inside a transaction
 * of the engine, but for the search.
 */
import type { CancelState, WaitingMessage } from '../canceling.js';
import { ConfigurationError } from '../errors.js';
import type { CheckedTransition } from './checks.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import type { Effects } from './sqlite-effects.js';
import type { Marks } from './sqlite-marks.js';
import type { Places } from './sqlite-places.js';
import { readWaiting } from './sqlite-places.js';
import type { Records } from './sqlite-records.js';
import type { Slots } from './sqlite-slots.js';
import type { Store } from './sqlite-store.js';

/**
 * Looked through in this order: what becomes ready behind the search is found in front of it. Between ready and parked
 * messages move both ways; it is one look to see whether one is parked.
 */
const TABLES = ['parked', 'scheduled', 'ranked', 'ready', 'suspects', 'parked'] as const;
/** Rows in one portion of the search: some ms, in which the storage thread does nothing else. */
const LOOK_ROWS = 10_000;
/** The place of the id in the text of a message, counted from 1. */
const ID_AT = 39;

/** How far a search has come. */
export interface SearchCursor {
  table: number;
  seq: number;
}

export const SEARCH_START: SearchCursor = { table: 0, seq: Number.MIN_SAFE_INTEGER };

interface Rooms {
  places: Places;
  records: Records;
  marks: Marks;
  slots: Slots;
  store: Store;
  effects: Effects;
}

export class Cancels {
  readonly #rooms: Rooms;
  readonly #running: SqlStatement;
  readonly #runningOf: SqlStatement;
  readonly #look: Map<string, SqlStatement>;

  constructor(db: SqlDatabase, rooms: Rooms) {
    this.#rooms = rooms;
    const canceled = "SELECT substr(target, 2) AS id FROM marks WHERE target >= 'c' AND target < 'd'";
    this.#running = db.prepare(
      `SELECT id FROM (${canceled}) AS c WHERE EXISTS (SELECT 1 FROM inflight WHERE consumer IN (SELECT key FROM consumers) AND id = c.id)`,
    );
    this.#runningOf = db.prepare(
      `SELECT id FROM (${canceled}) AS c WHERE EXISTS (SELECT 1 FROM inflight WHERE consumer = ? AND id = c.id)`,
    );
    this.#look = new Map(
      TABLES.map((table) => [
        table,
        table === 'parked'
          ? db.prepare('SELECT NULL AS last, seq AS at FROM parked WHERE id = rtrim(?3) AND seq > ?1 LIMIT ?2')
          : db.prepare(`SELECT max(seq) AS last, max(CASE WHEN substr(text, ${ID_AT}, length(?3)) = ?3 THEN seq END) AS at
          FROM (SELECT seq, text FROM ${table} WHERE seq > ?1 ORDER BY seq LIMIT ?2)`),
      ]),
    );
  }

  cancel(id: string, now: number, dueAt: number | undefined): CancelState {
    const state = this.#stateOf(id, now);
    if (state !== 'ended') this.#rooms.marks.cancel(id, now, dueAt);
    if (state === 'running') this.#rooms.effects.canceled = true;
    return state;
  }

  withdraw(id: string, now: number): CancelState {
    const state = this.#stateOf(id, now);
    if (state === 'waiting') this.#rooms.marks.withdrawCancel(id);
    return state;
  }

  /** Ids in flight that are canceled, of one consumer or of all. */
  running(consumer?: number): string[] {
    const rows = consumer === undefined ? this.#running.all() : this.#runningOf.all(consumer);
    return rows.map((row) => String(row['id']));
  }

  /** One portion of a search. */
  look(id: string, { table, seq }: SearchCursor): { found: WaitingMessage | undefined; next: SearchCursor | undefined } {
    const name = TABLES[table];
    if (name === undefined) return { found: undefined, next: undefined };
    const row = this.#look.get(name)?.get(seq, LOOK_ROWS, `${id} `);
    const at = row?.['at'];
    if (typeof at === 'number') {
      const text = this.#rooms.places.textAt(name, at);
      return { found: text === undefined ? undefined : { text, at: `${name} ${at}` }, next: undefined };
    }
    const last = row?.['last'];
    const next = typeof last === 'number' ? { table, seq: last } : { table: table + 1, seq: SEARCH_START.seq };
    return { found: undefined, next: next.table < TABLES.length ? next : undefined };
  }

  /** @throws ConfigurationError */
  end({ text, at }: WaitingMessage, transition: CheckedTransition, now: number): boolean {
    const [name = '', seq] = at.split(' ');
    const table = TABLES.find((one) => one === name);
    if (table === undefined) throw new ConfigurationError(`nothing waits at ${JSON.stringify(at)}`);
    if (transition.kind !== 'settle' || !this.#rooms.places.remove(table, Number(seq), text)) return false;
    const { head } = readWaiting(text);
    if (head !== undefined) this.#rooms.slots.giveUp(head);
    this.#rooms.slots.placeFreed();
    this.#rooms.records.settle([transition], now);
    if (transition.effects !== undefined) this.#rooms.store.apply(transition.id, transition.effects, now);
    return true;
  }

  #stateOf(id: string, now: number): CancelState {
    const { records, store } = this.#rooms;
    if (records.has(id, now) || records.findDead(id, now) !== undefined) return 'ended';
    return store.isInFlight(id) ? 'running' : 'waiting';
  }
}
