/** Waits until a condition holds, for what tells nobody when it does. The deadline is generous: it only ends tests that are broken. */
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 30_000;
const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 50;

/**
 * Gives the first value that is neither undefined nor false. Whatever `look` throws is the reason given when the time
 * is over, not an end.
 * @param what what is waited for, for the error.
 */
export async function poll<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Exclude<T, undefined | false>> {
  const endsAt = performance.now() + deadlineMs;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    let reason: unknown;
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    } catch (error) {
      reason = error;
    }
    if (performance.now() > endsAt) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`, { cause: reason });
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
  }
}
