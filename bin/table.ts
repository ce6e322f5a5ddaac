/** Rows for people: columns that stand under each other, numbers to the right, nothing that a terminal would obey. */

export interface Column<Row> {
  title: string;
  of: (row: Row) => string | number;
}

const GAP = '  ';

/** A line for the titles and one for each row, without one at the end. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map(({ of }) => of(row)));
  const texts = [columns.map(({ title }) => title), ...cells.map((row) => row.map((cell) => printable(String(cell))))];
  const widths = columns.map((_, i) => Math.max(...texts.map((row) => row[i]?.length ?? 0)));
  const isNumber = columns.map((_, i) => cells.length > 0 && cells.every((row) => typeof row[i] === 'number'));
  return texts
    .map((row) =>
      row
        .map((text, i) => (isNumber[i] === true ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** What others wrote may hold characters that move the cursor, or worse. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** To the second, in UTC, as it can be sorted. */
export function when(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return '-';
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
