/** Locks: who has which. A run's lock lasts as long as the run, a process's as long as its lease. */
import { decodeHead, runOf } from '../message.js';
import type { LockOwner } from '../storage.js';
import type { SqlDatabase, SqlRow, SqlStatement } from './sqlite-driver.js';
import { number } from './sqlite-places.js';

export class Locks {
  readonly #find: SqlStatement;
  readonly #all: SqlStatement;
  readonly #write: SqlStatement;
  readonly #remove: SqlStatement;
  readonly #running: SqlStatement;

  constructor(db: SqlDatabase) {
    this.#find = db.prepare('SELECT name, token, ends, consumer, id, run FROM locks WHERE name = ?');
    this.#all = db.prepare('SELECT name, token, ends, consumer, id, run FROM locks');
    this.#write = db.prepare('INSERT OR REPLACE INTO locks (name, token, ends, consumer, id, run) VALUES (?, ?, ?, ?, ?, ?)');
    this.#remove = db.prepare('DELETE FROM locks WHERE name = ?');
    this.#running = db.prepare('SELECT text FROM inflight WHERE consumer = (SELECT key FROM consumers WHERE consumer = ?) AND id = ?');
  }

  acquire(name: string, { token, run, leaseMs = 0 }: LockOwner, now: number): boolean {
    const held = this.#held(name, now);
    if (held !== undefined && held['token'] !== token) return false;
    // A run that is over has nothing to protect, and would never give it back.
    if (run !== undefined && !this.#isRunning(run)) return false;
    this.#write.run(name, token, Math.ceil(now + leaseMs), run?.consumer ?? null, run?.id ?? null, run?.run ?? null);
    return true;
  }

  extend(name: string, token: string, leaseMs: number, now: number): boolean {
    const held = this.#held(name, now);
    if (held === undefined || held['token'] !== token) return false;
    const { consumer = null, id = null, run = null } = held;
    this.#write.run(name, token, Math.ceil(now + leaseMs), consumer, id, run);
    return true;
  }

  release(name: string, token: string, now: number): boolean {
    if (this.#held(name, now)?.['token'] !== token) return false;
    this.#remove.run(name);
    return true;
  }

  isHeld(name: string, now: number): boolean {
    return this.#held(name, now) !== undefined;
  }

  /** Gives those that were held. */
  flush(names: readonly string[] | undefined, now: number): string[] {
    const wanted = new Set(names ?? this.#names());
    const held = [...wanted].filter((name) => this.isHeld(name, now));
    for (const name of wanted) this.#remove.run(name);
    return held;
  }

  /** Forgets those that nobody holds any more. */
  sweep(now: number): void {
    for (const name of this.#names()) if (!this.isHeld(name, now)) this.#remove.run(name);
  }

  #names(): string[] {
    return this.#all.all().map((row) => String(row['name']));
  }

  #held(name: string, now: number): SqlRow | undefined {
    const row = this.#find.get(name);
    if (row === undefined) return undefined;
    const { consumer, id, run } = row;
    const isHeld =
      typeof consumer === 'string' ? this.#isRunning({ consumer, id: String(id), run: String(run) }) : number(row, 'ends') > now;
    return isHeld ? row : undefined;
  }

  #isRunning({ consumer, id, run }: NonNullable<LockOwner['run']>): boolean {
    const text = this.#running.get(consumer, id)?.['text'];
    return typeof text === 'string' && runOf(decodeHead(text)) === run;
  }
}
