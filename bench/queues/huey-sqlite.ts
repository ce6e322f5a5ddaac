/** A queue of huey-runtime in an SQLite file, seen from outside: by a reader of its own, which blocks no writer. */
import { decodeRecord } from '../../src/runtime/completion.js';
import { openDatabase, type SqlDatabase, type SqlStatement } from '../../src/runtime/storage/sqlite-driver.js';
import { CheckFailed, type QueueLengths, type QueueView } from './queue-view.js';

/** `ready` has no gaps (sqlite-schema.ts), so counting it costs nothing. */
const LENGTHS = `SELECT
  (SELECT coalesce(max(seq), 0) FROM ready) - (SELECT coalesce(min(seq), 1) FROM ready) + 1 AS waiting,
  (SELECT count(*) FROM inflight) AS inFlight,
  (SELECT count(*) FROM scheduled) AS scheduled`;

export class HueySqliteView implements QueueView {
  readonly #db: SqlDatabase;
  readonly #lengths: SqlStatement;

  private constructor(db: SqlDatabase) {
    this.#db = db;
    this.#lengths = db.prepare(LENGTHS);
  }

  static async open(filename: string): Promise<HueySqliteView> {
    const db = await openDatabase(filename);
    db.exec('PRAGMA busy_timeout = 1000');
    return new HueySqliteView(db);
  }

  async lengths(): Promise<QueueLengths> {
    const row = this.#lengths.get() ?? {};
    return { waiting: Number(row['waiting']), inFlight: Number(row['inFlight']), scheduled: Number(row['scheduled']) };
  }

  async endedCount(): Promise<number> {
    return Number(this.#db.prepare('SELECT count(*) AS n FROM results').get()?.['n']);
  }

  async values(): Promise<number[]> {
    const nowMs = Date.now();
    return this.#db
      .prepare('SELECT record, ends FROM results')
      .all()
      .map((row) => {
        const { state, payload } = decodeRecord(String(row['record']));
        if (state !== 'done') throw new CheckFailed(`a task ended as ${state}: ${payload}`);
        if (!(Number(row['ends']) > nowMs)) throw new CheckFailed('a result has no expiry');
        return Number(JSON.parse(payload));
      });
  }

  async close(): Promise<void> {
    this.#db.close();
    return Promise.resolve();
  }
}
