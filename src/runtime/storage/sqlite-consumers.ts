/**
 * The consumers of the queue: their leases, and the rule by which a silence that everybody shared is nobody's death.
 * When anybody's heartbeat was last recorded, and since when they have come without a gap, is kept in the file: every
 * process sees the same.
 */
import { ConsumerReaped, InstanceTaken } from '../errors.js';
import type { InstanceClaim } from '../storage.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import { number } from './sqlite-places.js';

export interface ConsumerRow {
  key: number;
  consumer: string;
  /** How many tasks it was ever given: the next one's `ord` in flight. */
  given: number;
}

export class Consumers {
  readonly #find: SqlStatement;
  readonly #count: SqlStatement;
  readonly #enter: SqlStatement;
  readonly #renew: SqlStatement;
  readonly #cap: SqlStatement;
  readonly #lapsed: SqlStatement;
  readonly #remove: SqlStatement;
  readonly #removeLanes: SqlStatement;
  readonly #holder: SqlStatement;
  readonly #name: SqlStatement;
  readonly #unname: SqlStatement;
  readonly #readMeta: SqlStatement;
  readonly #writeMeta: SqlStatement;

  constructor(db: SqlDatabase) {
    this.#find = db.prepare('SELECT key, consumer, given FROM consumers WHERE consumer = ?');
    this.#count = db.prepare('SELECT count(*) AS n FROM consumers');
    this.#enter = db.prepare('INSERT INTO consumers (consumer, lease_end, given) VALUES (?, ?, 0)');
    this.#renew = db.prepare('UPDATE consumers SET lease_end = ? WHERE consumer = ?');
    this.#cap = db.prepare('UPDATE consumers SET lease_end = ?1 WHERE lease_end > ?1');
    this.#lapsed = db.prepare('SELECT key, consumer, given FROM consumers WHERE lease_end <= ? ORDER BY key');
    this.#remove = db.prepare('DELETE FROM consumers WHERE key = ?');
    this.#removeLanes = db.prepare('DELETE FROM lanes WHERE consumer = ?');
    this.#holder = db.prepare('SELECT consumer FROM instances WHERE name = ?');
    this.#name = db.prepare('INSERT OR REPLACE INTO instances (name, consumer) VALUES (?, ?)');
    this.#unname = db.prepare('DELETE FROM instances WHERE consumer = (SELECT consumer FROM consumers WHERE key = ?)');
    this.#readMeta = db.prepare('SELECT value FROM meta WHERE name = ?');
    this.#writeMeta = db.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)');
  }

  /** @throws ConsumerReaped */
  get(consumer: string): ConsumerRow {
    const row = this.find(consumer);
    if (row === undefined) throw new ConsumerReaped(consumer);
    return row;
  }

  find(consumer: string): ConsumerRow | undefined {
    const row = this.#find.get(consumer);
    return row === undefined ? undefined : { key: number(row, 'key'), consumer, given: number(row, 'given') };
  }

  count(): number {
    return number(this.#count.get(), 'n');
  }

  register(consumer: string, leaseMs: number, now: number): void {
    this.#noticeSilence(leaseMs, now);
    this.#writeMeta.run('last_beat', now);
    if (this.#renew.run(now + leaseMs, consumer) === 0) this.#enter.run(consumer, now + leaseMs);
  }

  /** @throws ConsumerReaped */
  beat(consumer: string, leaseMs: number, now: number): ConsumerRow {
    const row = this.get(consumer);
    this.#noticeSilence(leaseMs, now);
    this.#writeMeta.run('last_beat', now);
    this.#renew.run(now + leaseMs, consumer);
    return row;
  }

  /** Those that count as dead. Looking for them is no heartbeat: whoever looks beats too. */
  lapsed(leaseMs: number, now: number): ConsumerRow[] {
    this.#noticeSilence(leaseMs, now);
    const awakeSince = this.#meta('awake_since') ?? -Infinity;
    if (awakeSince + leaseMs > now) return [];
    return this.#lapsed.all(now).map((row) => ({
      key: number(row, 'key'),
      consumer: String(row['consumer']),
      given: number(row, 'given'),
    }));
  }

  /** Gives the name to this consumer, and the one that had it. @throws InstanceTaken */
  takeName(consumer: string, { name, takeOver }: InstanceClaim): ConsumerRow | undefined {
    const holder = this.#holder.get(name)?.['consumer'];
    const former = typeof holder !== 'string' || holder === consumer ? undefined : this.find(holder);
    if (former !== undefined && !takeOver) throw new InstanceTaken(name);
    this.#name.run(name, consumer);
    return former;
  }

  /** How often consumers were asked to reload. */
  reloads(): number {
    return this.#meta('reloads') ?? 0;
  }

  requestReload(): void {
    this.#writeMeta.run('reloads', this.reloads() + 1);
  }

  remove(key: number): void {
    this.#unname.run(key);
    this.#remove.run(key);
    this.#removeLanes.run(key);
  }

  /** After a silence of everybody, or a step of the clock, everybody gets one more lease from now on. */
  #noticeSilence(leaseMs: number, now: number): void {
    const lastBeatAt = this.#meta('last_beat') ?? -Infinity;
    const steppedBack = now < lastBeatAt;
    if (steppedBack || now - lastBeatAt > leaseMs / 2) this.#writeMeta.run('awake_since', now);
    // A lease that was given before the step would otherwise last as long as the step was wide.
    if (steppedBack) this.#cap.run(now + leaseMs);
  }

  #meta(name: string): number | undefined {
    const value = this.#readMeta.get(name)?.['value'];
    return typeof value === 'number' ? value : undefined;
  }
}
