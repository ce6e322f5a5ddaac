/** What a row of the table says, as a line for people and as a line of JSON for scripts/faults.mjs. */
import { appendFileSync } from 'node:fs';

export interface Report {
  /** Tasks whose enqueue was acknowledged, or that must have run anyway. */
  n: number;
  /** How many of them ran. */
  distinct: number;
  /** Those that never reached a final state, or are `done` and never ran. */
  lost: number;
  /** Runs beyond the first of each. */
  duplicates: number;
  /** From the fault to the moment at which the promise holds again; the longest, where there were several. */
  recoveryMs?: number;
  /** What else was measured, in a few words. */
  note?: string;
}

export interface Row {
  fault: string;
  title: string;
  storage: string;
  seed: number;
  /** Absent: it failed before it had any figures. */
  report?: Report;
  /** Absent: ok. */
  failure?: string;
  durationMs: number;
}

/** Prints the row, and appends it to the file named in HUEY_FAULTS_REPORT, where that is set. */
export function publish(row: Row): void {
  console.log(lineOf(row));
  const file = process.env['HUEY_FAULTS_REPORT'];
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(row)}\n`);
}

function lineOf({ fault, title, storage, report, failure, seed }: Row): string {
  const figures =
    report === undefined
      ? 'no figures'
      : `N=${report.n} distinct=${report.distinct} lost=${report.lost} duplicates=${report.duplicates}` +
        (report.recoveryMs === undefined ? '' : ` recovered=${(report.recoveryMs / 1000).toFixed(2)}s`);
  const end = failure === undefined ? 'ok' : `FAILED: ${failure.split('\n', 1)[0] ?? ''}`;
  const note = report?.note === undefined ? '' : ` (${report.note})`;
  return `${fault.padEnd(4)} ${title} [${storage}] ${figures} ${end}${note} seed=${seed}`;
}
