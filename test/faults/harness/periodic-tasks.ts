/** tasks.ts, and what only some consumers know: a task of every minute, and one that was added later. */
import { crontab, currentTask } from 'huey-runtime';
import { noteRun } from './journal.js';
import { huey, journalFile } from './tasks.js';

export * from './tasks.js';

export const everyMinute = huey.periodicTask(crontab({ minute: '*' }), function everyMinute() {
  noteRun(minutesFile(journalFile), currentTask().id);
});

export const addedLater = huey.task(function addedLater() {
  noteRun(journalFile, currentTask().id);
  return currentTask().attempt;
});

/** Where runs of `everyMinute` are noted, beside the journal. */
export function minutesFile(journal: string): string {
  return `${journal}.minutes`;
}
