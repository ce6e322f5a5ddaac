/** What is kept of ended tasks: records, and the messages that were put aside as dead. */
import { decodeRecord, encodeRecord, GONE_PAYLOAD } from '../completion.js';
import type { FinalState, ResultRecord } from '../completion.js';
import { DEAD_MAX, DEAD_TTL_MS } from '../limits.js';
import { BulkInsert } from './sqlite-bulk.js';
import type { SqlDatabase, SqlStatement, SqlValue } from './sqlite-driver.js';
import type { Effects } from './sqlite-effects.js';
import type { Marks } from './sqlite-marks.js';

/** For each record that is stored this many are looked at, so that what is over never piles up. */
const SWEEP_ROWS_PER_RECORD = 2;
const SWEEP_ROWS_MIN = 512;
const END_STATES = ['done', 'failed', 'canceled', 'revoked', 'expired', 'dead'] as const satisfies FinalState[];

/** There to be read: not over, and no mere end marker. */
const IS_VALUE = `ends > ? AND length(record) > 1 AND record NOT IN (${END_STATES.map((state) => `'${encodeRecord(state, GONE_PAYLOAD)}'`).join(', ')})`;

export interface EndedTask {
  id: string;
  record: string;
  ttlSeconds: number;
}

export class Records {
  readonly #effects: Effects;
  readonly #marks: Marks;
  readonly #insert: BulkInsert;
  readonly #read: SqlStatement;
  readonly #readEnds: SqlStatement;
  readonly #change: SqlStatement;
  readonly #next: SqlStatement;
  readonly #sweepRange: SqlStatement;
  readonly #bury: SqlStatement;
  readonly #dead: SqlStatement;
  readonly #findDead: SqlStatement;
  readonly #dropDead: SqlStatement;
  readonly #remove: SqlStatement;
  readonly #values: SqlStatement;
  readonly #valueCount: SqlStatement;
  readonly #forgetOld: SqlStatement;
  readonly #forgetMany: SqlStatement;
  #cursor = '';
  #unswept = 0;

  constructor(db: SqlDatabase, effects: Effects, marks: Marks) {
    this.#effects = effects;
    this.#marks = marks;
    this.#insert = new BulkInsert(db, 'INSERT OR REPLACE INTO results (id, ends, record)', 3);
    this.#read = db.prepare('SELECT record FROM results WHERE id = ? AND ends > ?');
    this.#readEnds = db.prepare('SELECT ends, record FROM results WHERE id = ? AND ends > ?');
    this.#change = db.prepare('UPDATE results SET record = ? WHERE id = ?');
    this.#next = db.prepare('SELECT id FROM results WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?');
    this.#sweepRange = db.prepare('DELETE FROM results WHERE id > ? AND id <= ? AND ends <= ?');
    this.#bury = db.prepare('INSERT OR REPLACE INTO dead (id, at, reason, text) VALUES (?, ?, ?, ?)');
    this.#dead = db.prepare('SELECT id, at, reason, text FROM dead WHERE at > ? ORDER BY seq DESC LIMIT ?');
    this.#findDead = db.prepare('SELECT text FROM dead WHERE id = ? AND at > ?');
    this.#dropDead = db.prepare('DELETE FROM dead WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM results WHERE id = ?');
    this.#values = db.prepare(`SELECT id, record FROM results WHERE ${IS_VALUE} LIMIT ?`);
    this.#valueCount = db.prepare(`SELECT count(*) AS n FROM results WHERE ${IS_VALUE}`);
    this.#forgetOld = db.prepare('DELETE FROM dead WHERE seq IN (SELECT seq FROM dead ORDER BY seq LIMIT 100) AND at <= ?');
    this.#forgetMany = db.prepare(`DELETE FROM dead WHERE seq <= (SELECT seq FROM dead ORDER BY seq DESC LIMIT 1 OFFSET ${DEAD_MAX})`);
  }

  /** Stores what became of tasks. A mark on an id ends with its task. */
  settle(ended: readonly EndedTask[], now: number): void {
    if (ended.length === 0) return;
    const values: SqlValue[] = [];
    for (const { id, record, ttlSeconds } of ended) {
      const endsAt = Math.floor(now + ttlSeconds * 1000);
      values.push(id, endsAt, record);
      if (this.#effects.watching) this.#effects.ended.push({ id, record, endsAt });
    }
    this.#insert.run(values);
    this.#marks.forgetIds(ended);
    this.#unswept += ended.length;
    if (this.#unswept * SWEEP_ROWS_PER_RECORD >= SWEEP_ROWS_MIN) this.sweep(now);
  }

  /** Those that have no record yet. */
  settleNew(ended: readonly EndedTask[], now: number): void {
    for (const one of ended) if (this.#read.get(one.id, now) === undefined) this.settle([one], now);
  }

  has(id: string, now: number): boolean {
    return this.#read.get(id, now) !== undefined;
  }

  values(limit: number, now: number): { id: string; record: ResultRecord }[] {
    return this.#values.all(now, limit).map((row) => ({ id: String(row['id']), record: decodeRecord(String(row['record'])) }));
  }

  valueCount(now: number): number {
    return Number(this.#valueCount.get(now)?.['n'] ?? 0);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  read(ids: readonly string[], now: number): (ResultRecord | undefined)[] {
    return ids.map((id) => {
      const record = this.#read.get(id, now)?.['record'];
      return record === undefined ? undefined : decodeRecord(String(record));
    });
  }

  /** The record as text and its end, which tells one end of an id from another. */
  readEnd(id: string, now: number): { record: string; endsAt: number } | undefined {
    const row = this.#readEnds.get(id, now);
    return row === undefined ? undefined : { record: String(row['record']), endsAt: Number(row['ends']) };
  }

  removeValues(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const record = this.#read.get(id, now)?.['record'];
      if (typeof record === 'string' && record.length > 1) this.#change.run(encodeRecord(decodeRecord(record).state, GONE_PAYLOAD), id);
    }
  }

  bury(id: string, text: string, reason: string, now: number): void {
    this.#bury.run(id, now, reason, text);
    this.#forgetOld.run(now - DEAD_TTL_MS);
    this.#forgetMany.run();
  }

  dead(limit: number, now: number): { id: string; text: string; reason: string; at: number }[] {
    return this.#dead.all(now - DEAD_TTL_MS, limit).map((row) => ({
      id: String(row['id']),
      text: String(row['text']),
      reason: String(row['reason']),
      at: Number(row['at']),
    }));
  }

  /** The message of this id that was put aside. */
  findDead(id: string, now: number): string | undefined {
    const text = this.#findDead.get(id, now - DEAD_TTL_MS)?.['text'];
    return typeof text === 'string' ? text : undefined;
  }

  dropDead(id: string): void {
    this.#dropDead.run(id);
  }

  /** Removes what is over from the next portion; the portions go round. */
  sweep(now: number): void {
    const rows = Math.max(SWEEP_ROWS_MIN, this.#unswept * SWEEP_ROWS_PER_RECORD);
    this.#unswept = 0;
    const next = this.#next.get(this.#cursor, rows)?.['id'];
    const end = typeof next === 'string' ? next : undefined;
    this.#sweepRange.run(this.#cursor, end ?? '\u{10ffff}', now);
    this.#cursor = end ?? '';
  }
}
