/**
 * The layout of the file and how it is opened. One queue per file; a file of another queue, or of a newer major
 * layout, is refused.
 *
 * Each place of a message is a table of its own, so that what waits at priority 0, the usual case, needs no index:
 *
 *     ready      priority 0, by seq; taken only from the head, so its seqs have no gaps (count = max - min + 1); a row without text is that of one
 *                that was canceled
 *     ranked     other priorities, by level (= minus the priority) and seq
 *     suspects   those that must run alone
 *     scheduled  by due date
 *     parked     those that wait for a slot of their key, by key, level and turn
 *     holders, slots, turns   see sqlite-slots.ts
 *     inflight   by consumer and id; `ord` counts what this consumer was ever given
 *
 * WAL with synchronous=NORMAL: whatever was committed survives the death of any process. A power cut or a crash of
 * the kernel may take back the last transactions (never damage the file). FULL would wait for the disk at every
 * transaction: single enqueues became 5 times slower when measured, batches of 256 by a tenth.
 */
import { StorageRefused } from '../errors.js';
import type { SqlDatabase, SqlValue } from './sqlite-driver.js';

/**
 * Raised when an older runtime could no longer work on the file. An older file is brought up to date when it is opened:
 * what is missing is added, nothing that is there changes.
 */
const LAYOUT = 2;

/** A table that the newest additions brought, which an older runtime has no use for and does not miss. */
const NEWEST = 'parked';

const TABLES = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ready (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ranked (seq INTEGER PRIMARY KEY, level INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ranked_by_level ON ranked (level, seq);
CREATE TABLE IF NOT EXISTS suspects (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scheduled (seq INTEGER PRIMARY KEY, due INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS scheduled_by_due ON scheduled (due, seq);
CREATE TABLE IF NOT EXISTS consumers (
  key INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL UNIQUE, lease_end INTEGER NOT NULL, given INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS instances (name TEXT PRIMARY KEY, consumer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
  seq INTEGER PRIMARY KEY, key TEXT NOT NULL, level INTEGER NOT NULL, turn INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS parked_by_turn ON parked (key, level, turn);
CREATE TABLE IF NOT EXISTS holders (id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (key TEXT PRIMARY KEY, taken INTEGER NOT NULL, most INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (id TEXT PRIMARY KEY, turn INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inflight (
  consumer INTEGER NOT NULL, id TEXT NOT NULL, ord INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (consumer, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lanes (
  consumer INTEGER NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, reply TEXT NOT NULL,
  PRIMARY KEY (consumer, lane)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, ends INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (bucket TEXT PRIMARY KEY, ends INTEGER NOT NULL, bits BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (target TEXT PRIMARY KEY, once INTEGER NOT NULL, until INTEGER NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticks (task TEXT PRIMARY KEY, minute INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS aliens (sha TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uniques (key TEXT PRIMARY KEY, id TEXT NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chords (id TEXT PRIMARY KEY, ends INTEGER NOT NULL, size INTEGER NOT NULL, callback TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chords_by_end ON chords (ends);
CREATE TABLE IF NOT EXISTS chord_values (
  chord TEXT NOT NULL, idx INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (chord, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locks (
  name TEXT PRIMARY KEY, token TEXT NOT NULL, ends INTEGER NOT NULL, consumer TEXT, id TEXT, run TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rates (name TEXT PRIMARY KEY, ends INTEGER NOT NULL, usage INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
  id TEXT NOT NULL, kind TEXT NOT NULL, ends INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (id, kind)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_by_end ON notes (ends);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS listeners (id TEXT PRIMARY KEY, ends INTEGER NOT NULL) WITHOUT ROWID;
`;

/** What a flush empties. Consumers, what they hold and what is on its way to listeners stay. */
export const FLUSHED = [
  ...['ready', 'ranked', 'suspects', 'scheduled', 'parked', 'turns', 'results', 'seen', 'marks', 'ticks', 'dead', 'aliens'],
  ...['uniques', 'chords', 'chord_values', 'locks', 'rates', 'keys', 'notes'],
] as const;

/** Never waits: where another process is in the way, SqlError of kind busy, and the caller tries again. */
export function prepareFile(db: SqlDatabase, queue: string, filename: string): void {
  db.exec('PRAGMA busy_timeout = 0');
  // Reads the file: one that is not a database is found here.
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode !== 'wal')
    throw new StorageRefused(
      `${filename} cannot be used: SQLite has no write-ahead log there (journal mode ${String(mode)}); put the file on a local disk`,
    );
  db.exec('PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;');
  db.exec('PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;');
  if (isCurrent(db)) return checkOwner(db, queue, filename);
  db.exec('BEGIN IMMEDIATE');
  try {
    checkOwner(db, queue, filename);
    db.exec(TABLES);
    db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('layout', ?)").run(LAYOUT);
    db.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES ('queue', ?)").run(queue);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

function isCurrent(db: SqlDatabase): boolean {
  return hasTable(db, 'meta') && Number(readMeta(db, 'layout')) >= LAYOUT && hasTable(db, NEWEST);
}

function checkOwner(db: SqlDatabase, queue: string, filename: string): void {
  if (!hasTable(db, 'meta')) {
    const table = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT 1").get()?.['name'];
    if (table === undefined) return;
    throw new StorageRefused(
      `${filename} is a database of something else (it has a table "${String(table)}"); give the queue a file of its own`,
    );
  }
  const layout = Number(readMeta(db, 'layout') ?? LAYOUT);
  if (layout > LAYOUT) {
    throw new StorageRefused(`${filename} has storage layout ${layout} and this version knows ${LAYOUT}; update huey-runtime`);
  }
  const owner = readMeta(db, 'queue');
  if (owner !== undefined && owner !== queue) {
    throw new StorageRefused(`${filename} belongs to the queue "${String(owner)}"; give the queue "${queue}" a file of its own`);
  }
}

function hasTable(db: SqlDatabase, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;
}

function readMeta(db: SqlDatabase, name: string): SqlValue | undefined {
  return db.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.['value'];
}
