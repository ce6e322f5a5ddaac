/**
 * The one place that knows which SQLite this is: `node:sqlite` where the runtime has it without a flag, else the
 * package `libsql` (binaries from the registry, no compiler). Both are synchronous; both are made to look alike, and
 * their errors become SqlError with a kind. Never the two in one process: each would break the other's file locks.
 */
import { StorageRefused } from '../errors.js';

export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue | undefined>>;

export interface SqlStatement {
  /** Gives the number of rows that changed. */
  run(...values: SqlValue[]): number;
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
}

export interface SqlDatabase {
  readonly driver: 'node:sqlite' | 'libsql';
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  close(): void;
}

/** `busy`: another connection writes, try again. `damaged`: these bytes are no database (any more). */
export type SqlErrorKind = 'busy' | 'full' | 'damaged' | 'readonly' | 'cannot-open' | 'io' | 'other';

export class SqlError extends Error {
  readonly kind: SqlErrorKind;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'SqlError';
    this.kind = kindOf(cause);
  }
}

/** Opens the file, which is made where it is missing; its folder has to be there. @throws SqlError, StorageRefused */
export async function openDatabase(filename: string): Promise<SqlDatabase> {
  const { name, Database } = await loadDriver();
  const raw = guarded(() => new Database(filename));
  return {
    driver: name,
    exec: (sql) => guarded(() => raw.exec(sql)),
    prepare: (sql) =>
      wrap(
        guarded(() => raw.prepare(sql)),
        name,
      ),
    close: () => guarded(() => raw.close()),
  };
}

interface RawStatement {
  run(...values: unknown[]): { changes: number | bigint };
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

interface RawDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): RawStatement;
  close(): void;
}

interface Driver {
  name: SqlDatabase['driver'];
  Database: new (filename: string) => RawDatabase;
}

async function loadDriver(): Promise<Driver> {
  const own = withoutWarning(() => process.getBuiltinModule('node:sqlite' as 'node:fs') as unknown);
  if (isModule(own, 'DatabaseSync')) return { name: 'node:sqlite', Database: own['DatabaseSync'] as Driver['Database'] };
  try {
    const libsql: unknown = await import('libsql');
    if (isModule(libsql, 'default')) return { name: 'libsql', Database: libsql['default'] as Driver['Database'] };
    throw new Error('it exports no database');
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw new StorageRefused(
      `no SQLite driver loads on ${process.platform}-${process.arch} with Node ${process.versions.node} (${reason}): use Node 22.13 or later, or reinstall with optional dependencies so that libsql gets its binary`,
      { cause },
    );
  }
}

/** Node tells everybody that its SQLite is experimental; that is no news for the user of a queue. */
function withoutWarning<T>(load: () => T): T {
  const holder = process as { emitWarning: unknown };
  const emitWarning = holder.emitWarning;
  holder.emitWarning = () => undefined;
  try {
    return load();
  } finally {
    holder.emitWarning = emitWarning;
  }
}

function wrap(raw: RawStatement, driver: SqlDatabase['driver']): SqlStatement {
  if (driver === 'libsql') {
    // A single list is what libsql hands on without copying it.
    return {
      run: (...values) => guarded(() => Number(raw.run(values).changes)),
      get: (...values) => guarded(() => raw.get(values) as SqlRow | undefined),
      all: (...values) => guarded(() => raw.all(values) as SqlRow[]),
    };
  }
  return {
    run: (...values) => guarded(() => Number(raw.run(...values).changes)),
    get: (...values) => guarded(() => raw.get(...values) as SqlRow | undefined),
    all: (...values) => guarded(() => raw.all(...values) as SqlRow[]),
  };
}

function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new SqlError(cause);
  }
}

/** SQLite's primary result codes. */
const KINDS: Readonly<Record<number, SqlErrorKind>> = {
  3: 'readonly', // PERM
  5: 'busy',
  6: 'busy', // LOCKED
  8: 'readonly',
  10: 'io',
  11: 'damaged', // CORRUPT
  13: 'full',
  14: 'cannot-open',
  15: 'busy', // PROTOCOL: a race at the start of the WAL
  23: 'readonly', // AUTH
  26: 'damaged', // NOTADB
};
const WORDS: readonly (readonly [RegExp, SqlErrorKind])[] = [
  [/SQLITE_BUSY|database is locked/, 'busy'],
  [/SQLITE_FULL|disk is full/, 'full'],
  [/SQLITE_NOTADB|SQLITE_CORRUPT|not a database|malformed/, 'damaged'],
  [/SQLITE_READONLY|readonly database|permission denied/i, 'readonly'],
  [/SQLITE_CANTOPEN|unable to open/i, 'cannot-open'],
  [/SQLITE_IOERR|disk I\/O error/, 'io'],
];

function kindOf(cause: unknown): SqlErrorKind {
  if (typeof cause !== 'object' || cause === null) return 'other';
  const { errcode, rawCode, code, message } = cause as { errcode?: unknown; rawCode?: unknown; code?: unknown; message?: unknown };
  const number = typeof errcode === 'number' ? errcode : typeof rawCode === 'number' ? rawCode : undefined;
  const kind = number === undefined ? undefined : KINDS[number & 0xff];
  if (kind !== undefined) return kind;
  const words = `${String(code)} ${String(message)}`;
  return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'other';
}

function isModule(value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
}
