/**
 * The verbs of the storage on an open file, synchronous, as they run in the storage thread. Every verb of WRITES runs
 * between `begin` and `commit`, which the thread calls, so that it can put several into one transaction and can try
 * again where another process writes. Nothing here ever waits.
 */
import type { CancelState, WaitingMessage } from '../canceling.js';
import type { ResultRecord } from '../completion.js';
import { checkId } from '../ids.js';
import { DAY_MS } from '../limits.js';
import type * as contract from '../storage.js';
import * as checks from './checks.js';
import { Cancels, type SearchCursor } from './sqlite-cancels.js';
import { Chords } from './sqlite-chords.js';
import { Consumers } from './sqlite-consumers.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import { openDatabase } from './sqlite-driver.js';
import { Effects } from './sqlite-effects.js';
import { Lease } from './sqlite-lease.js';
import { Marks } from './sqlite-marks.js';
import { number, Places, readWaiting } from './sqlite-places.js';
import { Records } from './sqlite-records.js';
import { prepareFile } from './sqlite-schema.js';
import { Seen } from './sqlite-seen.js';
import { Slots } from './sqlite-slots.js';
import { Store } from './sqlite-store.js';
import { SqliteTools, TOOL_READS, TOOL_WRITES, type ToolVerb } from './sqlite-tools.js';
import { Uniques } from './sqlite-uniques.js';

const OWN_READS = ['counts', 'readResults', 'readMark', 'heldIds', 'lastTicks', 'readChord', 'lookForWaiting'] as const;
const OWN_WRITES = [
  'enqueue',
  'removeResults',
  'revoke',
  'restore',
  'cancel',
  'withdrawCancel',
  'endWaiting',
  'register',
  'step',
  'beat',
  'requestReload',
  'release',
  'unregister',
  'reap',
  'promote',
  'tick',
  'skipTicks',
  'freeUnique',
  'pushRaw',
] as const;
export type EngineVerb = (typeof OWN_READS)[number] | (typeof OWN_WRITES)[number];
export type Verb = EngineVerb | ToolVerb;
export const READS: readonly Verb[] = [...OWN_READS, ...TOOL_READS];
export const WRITES: readonly Verb[] = [...OWN_WRITES, ...TOOL_WRITES];

/**
 * The mark on an invocation that is due later than this lasts from its due date on. To find it means to look through
 * what is scheduled; what is due sooner is spared that, its mark lasts long enough counted from now.
 */
const FAR_AHEAD_MS = DAY_MS;

export class SqliteEngine {
  readonly effects = new Effects();
  readonly tools: SqliteTools;
  readonly #db: SqlDatabase;
  readonly #now: () => number;
  readonly #places: Places;
  readonly #seen: Seen;
  readonly #marks: Marks;
  readonly #records: Records;
  readonly #consumers: Consumers;
  readonly #uniques: Uniques;
  readonly #chords: Chords;
  readonly #slots: Slots;
  readonly #store: Store;
  readonly #lease: Lease;
  readonly #cancels: Cancels;
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
    this.#uniques = new Uniques(db);
    this.#chords = new Chords(db);
    this.#slots = new Slots(db, this.#places);
    const rooms = {
      consumers: this.#consumers,
      places: this.#places,
      records: this.#records,
      marks: this.#marks,
      seen: this.#seen,
      uniques: this.#uniques,
      chords: this.#chords,
      slots: this.#slots,
      effects: this.effects,
    };
    this.#store = new Store(db, rooms);
    this.#lease = new Lease(db, { ...rooms, store: this.#store });
    this.#cancels = new Cancels(db, { ...rooms, store: this.#store });
    this.tools = new SqliteTools(db, now, rooms);
    this.#version = db.prepare('PRAGMA data_version');
    this.#readTick = db.prepare('SELECT minute FROM ticks WHERE task = ?');
    this.#writeTick = db.prepare('INSERT OR REPLACE INTO ticks (task, minute) VALUES (?, ?)');
    this.#counts = db.prepare(`SELECT
      (SELECT count(*) FROM ready WHERE text <> '') + (SELECT count(*) FROM ranked) + (SELECT count(*) FROM suspects) + (SELECT count(*) FROM parked) AS ready,
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
    this.#slots.clear();
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
    this.#slots.clear();
    this.#db.exec('ROLLBACK TO one_call; RELEASE one_call');
  }

  close(): void {
    this.#db.close();
  }

  // --- producing ---

  enqueue(items: readonly contract.EnqueueItem[], chords: readonly contract.ChordPlan[] = []): contract.EnqueueReply {
    const [reply] = this.enqueueAll([[items, chords]]);
    if (reply === undefined || reply instanceof Error) throw reply ?? new Error('nothing was stored');
    return reply;
  }

  /** Several calls in one; a bad one gets its own error and changes nothing. */
  enqueueAll(
    calls: readonly (readonly [items: readonly contract.EnqueueItem[], chords?: readonly contract.ChordPlan[]])[],
  ): (contract.EnqueueReply | Error)[] {
    const all: checks.CheckedItem[] = [];
    const plans: checks.CheckedChord[] = [];
    const ends = calls.map(([items, chords]) => {
      try {
        const checked = checks.checkItems(items);
        for (const plan of checks.checkChords(chords)) plans.push(plan);
        for (const item of checked) all.push(item);
        return all.length;
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    });
    const now = this.#now();
    this.#chords.add(plans, now);
    const { duplicates, conflicts } = this.#store.store(all, now);
    let start = 0;
    return ends.map((end) => {
      if (typeof end !== 'number') return end;
      const from = start;
      start = end;
      const isMine = (index: number): boolean => index >= from && index < end;
      return {
        duplicates: duplicates.filter(isMine).map((index) => index - from),
        conflicts: conflicts.filter(({ index }) => isMine(index)).map(({ index, id }) => ({ index: index - from, id })),
      };
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
    const now = this.#now();
    const dueAt = 'id' in target ? this.#farDueOf(target.id, now) : undefined;
    this.#marks.set(checks.checkTarget(target), checks.checkMark(mark), now, dueAt);
  }

  restore(target: contract.MarkTarget): boolean {
    return this.#marks.remove(checks.checkTarget(target), this.#now());
  }

  readMark(target: contract.MarkTarget): contract.Mark | undefined {
    return this.#marks.read(checks.checkTarget(target), this.#now());
  }

  cancel(id: string): CancelState {
    const now = this.#now();
    return this.#cancels.cancel(checkId(id), now, this.#farDueOf(id, now));
  }

  withdrawCancel(id: string): CancelState {
    return this.#cancels.withdraw(checkId(id), this.#now());
  }

  /** One portion of a search. */
  lookForWaiting(id: string, from: SearchCursor): { found: WaitingMessage | undefined; next: SearchCursor | undefined } {
    return this.#cancels.look(checkId(id), from);
  }

  endWaiting(message: WaitingMessage, transition: contract.Transition): boolean {
    return this.#cancels.end(message, checks.checkEnd(message, transition), this.#now());
  }

  /** Ids in flight, of whichever consumer, that are canceled. */
  canceledRunning(): string[] {
    return this.#cancels.running();
  }

  readChord(id: string): (string | undefined)[] {
    return this.#chords.read(id, this.#now());
  }

  freeUnique(key: string, id: string): void {
    this.#uniques.free(key, id);
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

  register(consumer: string, leaseMs: number, instance?: contract.InstanceClaim): contract.RegisterReply {
    const now = this.#now();
    checks.checkConsumer(consumer);
    checks.checkLease(leaseMs);
    const former = instance === undefined ? undefined : this.#consumers.takeName(consumer, checks.checkInstance(instance));
    const tasks = former === undefined ? 0 : this.#bringHome(former.key);
    this.#consumers.register(consumer, leaseMs, now);
    const reloads = this.#consumers.reloads();
    return former === undefined ? { now, reloads } : { now, former: { consumer: former.consumer, tasks }, reloads };
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
    const canceled = this.#cancels.running(row.key);
    return { now, held: this.#lease.held(row.key), landing: 0, canceled, reloads: this.#consumers.reloads() };
  }

  requestReload(): number {
    this.#consumers.requestReload();
    this.effects.reload = true;
    return this.#consumers.count();
  }

  /** Only looks. */
  reloads(): number {
    return this.#consumers.reloads();
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
    const reply: contract.ReapReply = { now, consumers: [], tasks: 0 };
    for (const { key, consumer } of lapsed) {
      reply.tasks += this.#bringHome(key);
      reply.consumers.push(consumer);
    }
    // Every consumer looks for dead ones now and then: a good moment for a little sweeping.
    for (const room of [this.#records, this.#seen, this.#marks, this.#uniques, this.#chords, this.#lease, this.tools]) room.sweep(now);
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
    return this.#store.store(items, now).duplicates.length === 0;
  }

  lastTicks(tasks: readonly string[]): (number | undefined)[] {
    return tasks.map((task) => this.#lastTick(task));
  }

  skipTicks(tasks: readonly string[], minuteMs: number): void {
    checks.checkCount('minuteMs', minuteMs);
    for (const task of tasks) this.#writeTick.run(task, Math.max(minuteMs, this.#lastTick(task) ?? 0));
  }

  /** Changes when another connection has written. */
  dataVersion(): number {
    return number(this.#version.get(), 'data_version');
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  pushRaw(text: string): void {
    this.#places.place([readWaiting(text)], 'tail');
  }

  /** What a dead consumer held goes back, charged, and the consumer is forgotten. Gives the number of its tasks. */
  #bringHome(key: number): number {
    const tasks = this.#lease.giveBackCharged(key);
    this.#consumers.remove(key);
    return tasks;
  }

  /** When this invocation is due, where that is so late that the marks on it must last longer than others. */
  #farDueOf(id: string, now: number): number | undefined {
    return this.#places.dueOf(id, now + FAR_AHEAD_MS);
  }

  #lastTick(task: string): number | undefined {
    const minute = this.#readTick.get(task)?.['minute'];
    return typeof minute === 'number' ? minute : undefined;
  }
}
