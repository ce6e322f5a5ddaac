/**
 * Where messages wait: ready, ranked (other priorities), suspects, scheduled. Puts them there, takes them from there.
 * Everything here runs inside a transaction of the engine.
 */
import { SUSPECT_LAPSES } from '../limits.js';
import type { Head } from '../message.js';
import type { Listed, PromoteReply } from '../storage.js';
import { checkMessage } from './checks.js';
import { BulkInsert } from './sqlite-bulk.js';
import type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from './sqlite-driver.js';
import type { Effects } from './sqlite-effects.js';

/** The place of the id in the text of a message, counted from 1. */
const ID_AT = 39;
/** Beyond this many, what waits at other priorities is not counted on the way of every step. */
const RANKED_COUNT_MAX = 8192;

export type WaitingTable = 'parked' | 'scheduled' | 'ranked' | 'ready' | 'suspects';

export interface Waiting {
  text: string;
  /** Undefined where the text cannot be read: it waits with the others and is looked at when it is taken. */
  head: Head | undefined;
}

export class Places {
  readonly #db: SqlDatabase;
  readonly #effects: Effects;
  readonly #toReady: BulkInsert;
  readonly #toRanked: BulkInsert;
  readonly #toSuspects: BulkInsert;
  readonly #toScheduled: BulkInsert;
  readonly #readyEnds: SqlStatement;
  readonly #rankedCount: SqlStatement;
  readonly #peekReady: SqlStatement;
  readonly #listReady: SqlStatement;
  readonly #dropReady: SqlStatement;
  readonly #peekHi: SqlStatement;
  readonly #peekLo: SqlStatement;
  readonly #dropRanked: SqlStatement;
  readonly #peekSuspects: SqlStatement;
  readonly #dropSuspect: SqlStatement;
  readonly #due: SqlStatement;
  readonly #dropScheduled: SqlStatement;
  readonly #nextDue: SqlStatement;
  readonly #dueOf: SqlStatement;
  readonly #listScheduled: SqlStatement;

  constructor(db: SqlDatabase, effects: Effects) {
    this.#db = db;
    this.#effects = effects;
    this.#toReady = new BulkInsert(db, 'INSERT INTO ready (seq, text)', 2);
    this.#toRanked = new BulkInsert(db, 'INSERT INTO ranked (seq, level, text)', 3);
    this.#toSuspects = new BulkInsert(db, 'INSERT INTO suspects (seq, text)', 2);
    this.#toScheduled = new BulkInsert(db, 'INSERT INTO scheduled (due, text)', 2);
    // min and max in one SELECT would read the whole table.
    this.#readyEnds = db.prepare('SELECT (SELECT min(seq) FROM ready) AS first, (SELECT max(seq) FROM ready) AS last');
    this.#rankedCount = db.prepare(`SELECT count(*) AS n FROM (SELECT 1 FROM ranked LIMIT ${RANKED_COUNT_MAX})`);
    this.#peekReady = db.prepare('SELECT seq, text FROM ready ORDER BY seq LIMIT ?');
    this.#listReady = db.prepare("SELECT text FROM ready WHERE text <> '' ORDER BY seq LIMIT ?");
    this.#dropReady = db.prepare('DELETE FROM ready WHERE seq <= ?');
    this.#peekHi = db.prepare('SELECT seq, text FROM ranked WHERE level < 0 ORDER BY level, seq LIMIT ?');
    this.#peekLo = db.prepare('SELECT seq, text FROM ranked WHERE level > 0 ORDER BY level, seq LIMIT ?');
    this.#dropRanked = db.prepare('DELETE FROM ranked WHERE seq IN (SELECT value FROM json_each(?))');
    this.#peekSuspects = db.prepare('SELECT seq, text FROM suspects ORDER BY seq LIMIT ?');
    this.#dropSuspect = db.prepare('DELETE FROM suspects WHERE seq = ?');
    this.#due = db.prepare('SELECT seq, text FROM scheduled WHERE due <= ? ORDER BY due, seq LIMIT ?');
    this.#dropScheduled = db.prepare('DELETE FROM scheduled WHERE seq IN (SELECT value FROM json_each(?))');
    this.#nextDue = db.prepare('SELECT min(due) AS due FROM scheduled');
    this.#dueOf = db.prepare(`SELECT due FROM scheduled WHERE due > ?1 AND substr(text, ${ID_AT}, length(?2)) = ?2 LIMIT 1`);
    this.#listScheduled = db.prepare('SELECT due, text FROM scheduled ORDER BY due, seq LIMIT ?');
  }

  /** To where the heads say that they can be leased, in this order; at the head: before everything that is there. */
  place(messages: readonly Waiting[], at: 'head' | 'tail'): void {
    if (messages.length === 0) return;
    const ready: SqlValue[] = [];
    const ranked: SqlValue[] = [];
    const suspects: SqlValue[] = [];
    for (const { text, head } of messages) {
      if (head !== undefined && head.lapses >= SUSPECT_LAPSES) suspects.push(null, text);
      else if (head !== undefined && head.priority !== 0) ranked.push(null, -head.priority, text);
      else ready.push(null, text);
    }
    if (at === 'head') {
      this.#numberFromHead('ready', ready, 2);
      this.#numberFromHead('ranked', ranked, 3);
      this.#numberFromHead('suspects', suspects, 2);
    }
    this.#toReady.run(ready);
    this.#toRanked.run(ranked);
    this.#toSuspects.run(suspects);
    this.#effects.grew = true;
  }

  schedule(messages: readonly { text: string; dueAt: number }[]): void {
    if (messages.length === 0) return;
    const earliest = this.nextDueAt() ?? Infinity;
    if (messages.some(({ dueAt }) => dueAt < earliest)) this.#effects.earlier = true;
    this.#toScheduled.run(messages.flatMap(({ text, dueAt }) => [Math.ceil(dueAt), text]));
  }

  /** What can be leased without running alone. Exact up to RANKED_COUNT_MAX of other priorities. */
  leasable(): number {
    return this.#readyCount() + number(this.#rankedCount.get(), 'n');
  }

  hasSuspects(): boolean {
    return this.#peekSuspects.get(1) !== undefined;
  }

  /** Takes from higher priorities, ready, lower priorities. */
  take(most: number): string[] {
    const texts: string[] = [];
    const ranked = number(this.#rankedCount.get(), 'n') > 0;
    if (ranked) this.#takeRanked(this.#peekHi, most, texts);
    if (texts.length < most) this.#takeReady(most - texts.length, texts);
    if (ranked && texts.length < most) this.#takeRanked(this.#peekLo, most - texts.length, texts);
    return texts;
  }

  takeSuspect(): string | undefined {
    const row = this.#peekSuspects.get(1);
    if (row === undefined) return undefined;
    this.#dropSuspect.run(number(row, 'seq'));
    return String(row['text']);
  }

  promote(limit: number, now: number): PromoteReply {
    const rows = this.#due.all(now, limit);
    if (rows.length > 0) {
      this.#dropScheduled.run(seqsOf(rows));
      this.place(
        rows.map((row) => readWaiting(String(row['text']))),
        'tail',
      );
    }
    return { now, promoted: rows.length, nextDueAt: this.nextDueAt() };
  }

  nextDueAt(): number | undefined {
    const due = this.#nextDue.get()?.['due'];
    return typeof due === 'number' ? due : undefined;
  }

  /** When this invocation is due, where it is scheduled for later than `fromMs`. Looks through all those. */
  dueOf(id: string, fromMs: number): number | undefined {
    const due = this.#dueOf.get(fromMs, `${id} `)?.['due'];
    return typeof due === 'number' ? due : undefined;
  }

  textAt(table: WaitingTable, seq: number): string | undefined {
    const text = this.#db.prepare(`SELECT text FROM ${table} WHERE seq = ?`).get(seq)?.['text'];
    return typeof text === 'string' ? text : undefined;
  }

  /** Takes exactly this message out. False where it does not stand there. */
  remove(table: WaitingTable, seq: number, text: string): boolean {
    // The seqs of ready have no gaps: whoever takes the row finds that nothing is in it.
    const sql = table === 'ready' ? `UPDATE ready SET text = '' WHERE` : `DELETE FROM ${table} WHERE`;
    return this.#db.prepare(`${sql} seq = ? AND text = ?`).run(seq, text) > 0;
  }

  /** In the order of leasing. */
  listReady(limit: number): Listed[] {
    const lines = [this.#peekHi, this.#listReady, this.#peekLo, this.#peekSuspects];
    const rows = lines.flatMap((line) => line.all(limit));
    return rows.slice(0, limit).map((row) => ({ text: String(row['text']) }));
  }

  listScheduled(limit: number): Listed[] {
    return this.#listScheduled.all(limit).map((row) => ({ text: String(row['text']), etaMs: number(row, 'due') }));
  }

  #readyCount(): number {
    const row = this.#readyEnds.get();
    const first = row?.['first'];
    return typeof first === 'number' ? number(row, 'last') - first + 1 : 0;
  }

  #takeReady(most: number, texts: string[]): void {
    const rows = this.#peekReady.all(most);
    const last = rows.at(-1);
    if (last === undefined) return;
    this.#dropReady.run(number(last, 'seq'));
    for (const row of rows) if (row['text'] !== '') texts.push(String(row['text']));
  }

  #takeRanked(peek: SqlStatement, most: number, texts: string[]): void {
    const rows = peek.all(most);
    if (rows.length === 0) return;
    this.#dropRanked.run(seqsOf(rows));
    for (const row of rows) texts.push(String(row['text']));
  }

  /** Gives rows that have no seq yet those before the first one. */
  #numberFromHead(table: 'ready' | 'ranked' | 'suspects', values: SqlValue[], columns: number): void {
    if (values.length === 0) return;
    const first = this.#db.prepare(`SELECT min(seq) AS first FROM ${table}`).get()?.['first'];
    const start = (typeof first === 'number' ? first : 1) - values.length / columns;
    for (let at = 0, row = 0; at < values.length; at += columns, row++) values[at] = start + row;
  }
}

/** A message from the storage, whatever it looks like by now. */
export function readWaiting(text: string): Waiting {
  try {
    return { text, head: checkMessage(text) };
  } catch {
    return { text, head: undefined };
  }
}

export function number(row: SqlRow | undefined, column: string): number {
  return Number(row?.[column] ?? 0);
}

function seqsOf(rows: readonly SqlRow[]): string {
  return JSON.stringify(rows.map((row) => row['seq']));
}
