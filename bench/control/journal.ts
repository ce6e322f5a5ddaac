/** Runs of tasks as the tasks themselves write them down, a line each: nobody has to ask a system when it began what. */
import { appendFileSync, readFileSync } from 'node:fs';
import { nowMs } from '../shared-clock.js';

export interface Run {
  n: number;
  /** When it began, on the clock that all processes of a machine share. */
  atMs: number;
  /** When its thread had loaded the module; undefined where the task does not say. */
  loadedAtMs: number | undefined;
}

/** Appended in one write, so that the lines of several threads do not mix. */
export function writeRun(file: string, n: number, loadedAtMs?: number): void {
  appendFileSync(file, loadedAtMs === undefined ? `${n} ${nowMs()}\n` : `${n} ${nowMs()} ${loadedAtMs}\n`);
}

/** By the time at which they began. No file means no runs. */
export function readRuns(file: string): Run[] {
  const runs = textOf(file)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Run => {
      const [n, atMs, loadedAtMs] = line.split(' ').map(Number);
      return { n: n ?? NaN, atMs: atMs ?? NaN, loadedAtMs };
    });
  return runs.sort((a, b) => a.atMs - b.atMs);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
