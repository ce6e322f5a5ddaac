/**
 * Inserting many rows with few statements: each call from JavaScript into SQLite costs more than a row does.
 */
import type { SqlDatabase, SqlStatement, SqlValue } from './sqlite-driver.js';

const GROUPS_ROWS = [64, 8, 1] as const;

export class BulkInsert {
  readonly #columns: number;
  readonly #db: SqlDatabase;
  readonly #statements = new Map<number, SqlStatement>();
  readonly #sql: string;

  /** @param sql up to and without VALUES, as in `INSERT INTO ready (seq, text)`. */
  constructor(db: SqlDatabase, sql: string, columns: number) {
    this.#db = db;
    this.#sql = sql;
    this.#columns = columns;
  }

  /** @param values of all rows, one row behind the other. */
  run(values: readonly SqlValue[]): void {
    let at = 0;
    for (const rows of GROUPS_ROWS) {
      const width = rows * this.#columns;
      for (; at + width <= values.length; at += width) {
        this.#statement(rows).run(...(width === values.length ? values : values.slice(at, at + width)));
      }
    }
  }

  #statement(rows: number): SqlStatement {
    let statement = this.#statements.get(rows);
    if (statement === undefined) {
      const row = `(${Array<string>(this.#columns).fill('?').join(', ')})`;
      statement = this.#db.prepare(`${this.#sql} VALUES ${Array<string>(rows).fill(row).join(', ')}`);
      this.#statements.set(rows, statement);
    }
    return statement;
  }
}
