/** The rules of the contract about one message, written down a second time: the model must not ask the code under test. */
import { DEATHS_MAX, END_MARKER_TTL_MS, SUSPECT_LAPSES } from '../../../src/runtime/limits.js';
import type { Head } from '../../../src/runtime/message.js';

/** How long the mere end of a task is kept. */
export const MARKER_SECONDS = END_MARKER_TTL_MS / 1000;
/** What one digit of base 36 can say. */
const COUNT_MAX = 35;

/** It runs alone. */
export function isSuspect({ lapses }: Head): boolean {
  return lapses >= SUSPECT_LAPSES;
}

/** What keeps it from starting, marks aside. */
export function mayStart({ expiresAt, deaths }: Head, now: number): 'expired' | 'dead' | undefined {
  if (expiresAt > 0 && expiresAt <= now) return 'expired';
  return deaths > DEATHS_MAX ? 'dead' : undefined;
}

/** Its consumer died. */
export function chargedForDeath(head: Head): Head {
  const deaths = isSuspect(head) ? head.deaths + 1 : head.deaths;
  return { ...head, lapses: Math.min(head.lapses + 1, COUNT_MAX), deaths: Math.min(deaths, COUNT_MAX) };
}
