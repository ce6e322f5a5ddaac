/**
 * The verbs beside the life of a task, as they run in the storage thread: locks, rate limits, values by key, notes,
 * events, and what people look at and do by hand. Those of TOOL_WRITES run inside a transaction (sqlite-engine.ts).
 */
import type { ResultRecord } from '../completion.js';
import { withHead } from '../message.js';
import type * as contract from '../storage.js';
import * as checks from './checks.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import type { Effects } from './sqlite-effects.js';
import type { EventsRead } from './sqlite-events.js';
import { Events } from './sqlite-events.js';
import { Locks } from './sqlite-locks.js';
import type { Places } from './sqlite-places.js';
import { readWaiting } from './sqlite-places.js';
import type { Records } from './sqlite-records.js';
import { FLUSHED } from './sqlite-schema.js';
import { Shelf } from './sqlite-shelf.js';
import type { Slots } from './sqlite-slots.js';

export const TOOL_READS = ['isLocked', 'list', 'results', 'resultCount', 'readNote', 'eventsWanted'] as const;
export const TOOL_WRITES = [
  'acquireLock',
  'extendLock',
  'releaseLock',
  'flushLocks',
  'rateLimit',
  'resetRate',
  'putKey',
  'getKey',
  'deleteKey',
  'retryDead',
  'dropDead',
  'flush',
  'setNote',
  'publishEvents',
  'listenToEvents',
] as const;
export type ToolVerb = (typeof TOOL_READS)[number] | (typeof TOOL_WRITES)[number];

export function isToolVerb(verb: string): verb is ToolVerb {
  return (TOOL_READS as readonly string[]).includes(verb) || (TOOL_WRITES as readonly string[]).includes(verb);
}

export class SqliteTools {
  readonly #db: SqlDatabase;
  readonly #now: () => number;
  readonly #places: Places;
  readonly #slots: Slots;
  readonly #records: Records;
  readonly #locks: Locks;
  readonly #shelf: Shelf;
  readonly #events: Events;
  readonly #running: SqlStatement;

  constructor(db: SqlDatabase, now: () => number, rooms: { places: Places; slots: Slots; records: Records; effects: Effects }) {
    this.#db = db;
    this.#now = now;
    this.#places = rooms.places;
    this.#slots = rooms.slots;
    this.#records = rooms.records;
    this.#locks = new Locks(db);
    this.#shelf = new Shelf(db);
    this.#events = new Events(db, rooms.effects);
    this.#running = db.prepare('SELECT text FROM inflight ORDER BY consumer, ord LIMIT ?');
  }

  // --- locks and limits ---

  acquireLock(name: string, owner: contract.LockOwner): boolean {
    return this.#locks.acquire(checks.checkLockName(name), checks.checkOwner(owner), this.#now());
  }

  extendLock(name: string, token: string, leaseMs: number): boolean {
    return this.#locks.extend(checks.checkLockName(name), token, checks.checkLease(leaseMs), this.#now());
  }

  releaseLock(name: string, token: string): boolean {
    return this.#locks.release(checks.checkLockName(name), token, this.#now());
  }

  isLocked(name: string): boolean {
    return this.#locks.isHeld(checks.checkLockName(name), this.#now());
  }

  flushLocks(names?: readonly string[]): string[] {
    return this.#locks.flush(names?.map(checks.checkLockName), this.#now());
  }

  rateLimit(name: string, limit: number, perMs: number, count: boolean): contract.RateReply {
    checks.checkRate(limit, perMs);
    return this.#shelf.rate(checks.checkLockName(name), limit, perMs, count, this.#now());
  }

  resetRate(name: string): void {
    this.#shelf.resetRate(checks.checkLockName(name));
  }

  // --- values and notes ---

  putKey(key: string, text: string, ifEmpty: boolean): boolean {
    return this.#shelf.put(checks.checkKey(key), checks.checkText(text), ifEmpty);
  }

  getKey(key: string, take: boolean): string | undefined {
    const text = this.#shelf.get(checks.checkKey(key));
    if (take && text !== undefined) this.#shelf.delete(key);
    return text;
  }

  deleteKey(key: string): boolean {
    return this.#shelf.delete(checks.checkKey(key));
  }

  setNote(id: string, kind: contract.NoteKind, text: string, ttlSeconds: number): void {
    const endsAt = this.#now() + checks.checkNumber('ttlSeconds', ttlSeconds) * 1000;
    this.#shelf.setNote(id, kind, checks.checkText(text), endsAt);
  }

  readNote(id: string, kind: contract.NoteKind): string | undefined {
    return this.#shelf.note(id, kind, this.#now());
  }

  // --- for people ---

  list(place: contract.Place, limit: number): contract.Listed[] {
    checks.checkCount('limit', limit);
    checks.checkPlace(place);
    switch (place) {
      case 'ready':
        return [...this.#places.listReady(limit), ...this.#slots.list(limit).map((row) => ({ text: String(row['text']) }))].slice(0, limit);
      case 'scheduled':
        return this.#places.listScheduled(limit);
      case 'running':
        return this.#running.all(limit).map((row) => ({ text: String(row['text']) }));
      case 'dead':
        return this.#records.dead(limit, this.#now());
      default:
        return place satisfies never;
    }
  }

  results(limit: number): { id: string; record: ResultRecord }[] {
    return this.#records.values(checks.checkCount('limit', limit), this.#now());
  }

  resultCount(): number {
    return this.#records.valueCount(this.#now());
  }

  /** With a clean record. What cannot be read would only come back. */
  retryDead(id: string): boolean {
    const text = this.#records.findDead(id, this.#now());
    const head = text === undefined ? undefined : readWaiting(text).head;
    if (text === undefined || head === undefined) return false;
    const clean = { ...head, lapses: 0, deaths: 0 };
    this.#records.dropDead(id);
    this.#records.remove(id);
    this.#places.place([{ text: withHead(text, clean), head: clean }], 'tail');
    return true;
  }

  dropDead(id: string): boolean {
    if (this.#records.findDead(id, this.#now()) === undefined) return false;
    this.#records.dropDead(id);
    return true;
  }

  flush(): void {
    for (const table of FLUSHED) this.#db.exec(`DELETE FROM ${table}`);
    // Who is in flight keeps its slot.
    this.#db.exec('DELETE FROM slots WHERE taken = 0');
  }

  // --- events ---

  publishEvents(events: readonly string[]): void {
    this.#events.publish(events.map(checks.checkText), this.#now());
  }

  /** Gives the number of the newest event, and whether this listener was there until now without a break. */
  listenToEvents(listener: string, on: boolean): { seq: number; wasThere: boolean } {
    return { wasThere: this.#events.listen(listener, on, this.#now()), seq: this.#events.newest() };
  }

  eventsWanted(): boolean {
    return this.#events.wanted(this.#now());
  }

  eventsAfter(seq: number): EventsRead {
    return this.#events.after(seq);
  }

  sweep(now: number): void {
    this.#locks.sweep(now);
    this.#shelf.sweep(now);
    this.#events.sweep(now);
  }
}
