/**
 * The verbs of the storage on an open file, synchronous, as they run in the storage thread. Every verb of WRITES runs
 * between `begin` and `commit`, which the thread calls, so that it can put several into one transaction and can try
 * again where another process writes. Nothing here ever waits.
 */
import type { ResultRecord } from '../completion.js';
import { withHead } from '../message.js';
import type * as contract from '../storage.js';
import * as checks from './checks.js';
import { Consumers } from './sqlite-consumers.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import { openDatabase } from './sqlite-driver.js';
import { Effects } from './sqlite-effects.js';
import { Lease } from './sqlite-lease.js';
import { Marks } from './sqlite-marks.js';
import type { Waiting } from './sqlite-places.js';
import { number, Places, readWaiting } from './sqlite-places.js';
import { Records } from './sqlite-records.js';
import { prepareFile } from './sqlite-schema.js';
import { Seen } from './sqlite-seen.js';

export const READS = ['counts', 'readResults', 'readMark', 'heldIds', 'lastTicks', 'dead'] as const;
export const WRITES = [
  'enqueue',
  'removeResults',
  'revoke',
  'restore',
  'register',
  'step',
  'beat',
  'release',
  'unregister',
  'reap',
  'promote',
  'tick',
  'skipTicks',
  'pushRaw',
] as const;
export type Verb = (typeof READS)[number] | (typeof WRITES)[number];

export class SqliteEngine {
  readonly effects = new Effects();
  readonly #db: SqlDatabase;
  readonly #now: () => number;
  readonly #places: Places;
  readonly #seen: Seen;
  readonly #marks: Marks;
  readonly #records: Records;
  readonly #consumers: Consumers;
  readonly #lease: Lease;
  readonly #version: SqlStatement;
  readonly #readTick: SqlStatement;
  readonly #writeTick: SqlStatement;
  readonly #counts: SqlStatement;

  /** Where another process is in the way: SqlError of kind busy; the file is closed again. */
  static async open(queue: string, filename: string, now: () => number = Date.now): Promise<SqliteEngine> {
    const db = await openDatabase(filename);
    try {
      prepareFile(db, queue, filename);
      return new SqliteEngine(db, now);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  private constructor(db: SqlDatabase, now: () => number) {
    this.#db = db;
    this.#now = now;
    this.#places = new Places(db, this.effects);
    this.#seen = new Seen(db);
    this.#marks = new Marks(db);
    this.#records = new Records(db, this.effects, this.#marks);
    this.#consumers = new Consumers(db);
    this.#lease = new Lease(db, {
      consumers: this.#consumers,
      places: this.#places,
      records: this.#records,
      marks: this.#marks,
      enqueue: (items, at) => this.#store(items, at),
    });
    this.#version = db.prepare('PRAGMA data_version');
    this.#readTick = db.prepare('SELECT minute FROM ticks WHERE task = ?');
    this.#writeTick = db.prepare('INSERT OR REPLACE INTO ticks (task, minute) VALUES (?, ?)');
    this.#counts = db.prepare(`SELECT
      (SELECT count(*) FROM ready) + (SELECT count(*) FROM ranked) + (SELECT count(*) FROM suspects) AS ready,
      (SELECT count(*) FROM scheduled) AS scheduled, (SELECT count(*) FROM inflight) AS running,
      (SELECT count(*) FROM dead) AS dead, (SELECT count(*) FROM consumers) AS consumers`);
  }

  // --- transactions ---

  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  /** SQLite may have rolled back by itself (disk full), so that there is nothing left to roll back. */
  rollback(): void {
    this.effects.clear();
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // No transaction is open: that is what was wanted.
    }
  }

  savepoint(): void {
    this.#db.exec('SAVEPOINT one_call');
  }

  releaseSavepoint(): void {
    this.#db.exec('RELEASE one_call');
  }

  rollbackToSavepoint(): void {
    this.#db.exec('ROLLBACK TO one_call; RELEASE one_call');
  }

  close(): void {
    this.#db.close();
  }

  // --- producing ---

  enqueue(items: readonly contract.EnqueueItem[]): contract.EnqueueReply {
    return { duplicates: this.#store(checks.checkItems(items), this.#now()) };
  }

  /** Several calls in one; a bad one gets its own error and changes nothing. */
  enqueueAll(calls: readonly (readonly contract.EnqueueItem[])[]): (contract.EnqueueReply | Error)[] {
    const all: checks.CheckedItem[] = [];
    const ends = calls.map((items) => {
      try {
        for (const item of checks.checkItems(items)) all.push(item);
        return all.length;
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    });
    const duplicates = all.length === 0 ? [] : this.#store(all, this.#now());
    let start = 0;
    let at = 0;
    return ends.map((end) => {
      if (typeof end !== 'number') return end;
      const mine: number[] = [];
      for (let next = duplicates[at]; next !== undefined && next < end; next = duplicates[++at]) mine.push(next - start);
      start = end;
      return { duplicates: mine };
    });
  }

  readResults(ids: readonly string[]): (ResultRecord | undefined)[] {
    return this.#records.read(ids, this.#now());
  }

  /** The record of an ended task as text; for those who wait. */
  readEnd(id: string): { record: string; endsAt: number } | undefined {
    return this.#records.readEnd(id, this.#now());
  }

  removeResults(ids: readonly string[]): void {
    this.#records.removeValues(ids, this.#now());
  }

  revoke(target: contract.MarkTarget, mark: contract.Mark): void {
    this.#marks.set(checks.checkTarget(target), checks.checkMark(mark), this.#now());
  }

  restore(target: contract.MarkTarget): boolean {
    return this.#marks.remove(checks.checkTarget(target), this.#now());
  }

  readMark(target: contract.MarkTarget): contract.Mark | undefined {
    return this.#marks.read(checks.checkTarget(target), this.#now());
  }

  counts(): contract.Counts {
    const row = this.#counts.get();
    return {
      ready: number(row, 'ready'),
      scheduled: number(row, 'scheduled'),
      running: number(row, 'running'),
      dead: number(row, 'dead'),
      consumers: number(row, 'consumers'),
    };
  }

  // --- consuming ---

  register(consumer: string, leaseMs: number): { now: number } {
    const now = this.#now();
    this.#consumers.register(checks.checkConsumer(consumer), checks.checkLease(leaseMs), now);
    return { now };
  }

  step(call: contract.StepCall): contract.StepReply {
    return this.#lease.step(checks.checkStep(call), this.#now());
  }

  /** Only looks: whether a step would find nothing to take, so that waiting makes sense. @throws as `step` */
  findsNothing(call: contract.StepCall): boolean {
    return this.#lease.findsNothing(checks.checkStep({ ...call, completions: [], transitions: [] }));
  }

  beat(consumer: string, leaseMs: number): contract.BeatReply {
    const now = this.#now();
    const row = this.#consumers.beat(checks.checkConsumer(consumer), checks.checkLease(leaseMs), now);
    return { now, held: this.#lease.held(row.key), landing: 0 };
  }

  heldIds(consumer: string): string[] {
    const row = this.#consumers.find(checks.checkConsumer(consumer));
    return row === undefined ? [] : this.#lease.heldIds(row.key);
  }

  release(consumer: string, ids: readonly string[]): number {
    const row = this.#consumers.find(checks.checkConsumer(consumer));
    return row === undefined ? 0 : this.#lease.release(row.key, ids);
  }

  unregister(consumer: string): void {
    const row = this.#consumers.find(checks.checkConsumer(consumer));
    if (row === undefined) return;
    this.#lease.giveBack(row.key);
    this.#consumers.remove(row.key);
  }

  reap(leaseMs: number): contract.ReapReply {
    const now = this.#now();
    const lapsed = this.#consumers.lapsed(checks.checkLease(leaseMs), now);
    const reply: contract.ReapReply = { now, consumers: [], tasks: 0, dead: 0 };
    for (const { key, consumer } of lapsed) {
      const { tasks, dead } = this.#lease.giveBackCharged(key, now);
      this.#consumers.remove(key);
      reply.consumers.push(consumer);
      reply.tasks += tasks;
      reply.dead += dead;
    }
    // Every consumer looks for dead ones now and then: a good moment for a little sweeping.
    this.#records.sweep(now);
    this.#seen.sweep(now);
    this.#marks.sweep(now);
    this.#lease.sweep(now);
    return reply;
  }

  promote(limit: number): contract.PromoteReply {
    return this.#places.promote(checks.checkCount('limit', limit), this.#now());
  }

  /** When the earliest scheduled message is due. */
  nextDueAt(): number | undefined {
    return this.#places.nextDueAt();
  }

  tick({ task, minuteMs, text }: contract.TickCall): boolean {
    checks.checkCount('minuteMs', minuteMs);
    const items = checks.checkItems([{ text }]);
    const now = this.#now();
    if (minuteMs > now || minuteMs <= (this.#lastTick(task) ?? -1)) return false;
    this.#writeTick.run(task, minuteMs);
    return this.#store(items, now).length === 0;
  }

  lastTicks(tasks: readonly string[]): (number | undefined)[] {
    return tasks.map((task) => this.#lastTick(task));
  }

  skipTicks(tasks: readonly string[], minuteMs: number): void {
    checks.checkCount('minuteMs', minuteMs);
    for (const task of tasks) this.#writeTick.run(task, Math.max(minuteMs, this.#lastTick(task) ?? 0));
  }

  dead(limit: number): { id: string; text: string; reason: string; at: number }[] {
    return this.#records.dead(checks.checkCount('limit', limit), this.#now());
  }

  /** Changes when another connection has written. */
  dataVersion(): number {
    return number(this.#version.get(), 'data_version');
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  pushRaw(text: string): void {
    this.#places.place([readWaiting(text)], 'tail');
  }

  /** Gives the positions of those that were enqueued before. */
  #store(items: readonly checks.CheckedItem[], now: number): number[] {
    const isNew = this.#seen.note(
      items.map(({ head }) => head.id),
      now,
    );
    const duplicates: number[] = [];
    const ready: Waiting[] = [];
    const later: { text: string; dueAt: number }[] = [];
    for (const [position, { text, head, delayMs, etaMs }] of items.entries()) {
      if (isNew[position] !== true) {
        duplicates.push(position);
        continue;
      }
      const stored =
        head.expiryIsRelative === true ? withHead(text, { ...head, expiresAt: now + head.expiresAt, expiryIsRelative: false }) : text;
      const dueAt = etaMs ?? now + delayMs;
      if (dueAt > now) later.push({ text: stored, dueAt });
      else ready.push({ text: stored, head });
    }
    this.#places.schedule(later);
    this.#places.place(ready, 'tail');
    return duplicates;
  }

  #lastTick(task: string): number | undefined {
    const minute = this.#readTick.get(task)?.['minute'];
    return typeof minute === 'number' ? minute : undefined;
  }
}
