/** What waits and cannot be read: of another version it waits for a consumer that can, everything else is given up at once. */
import { createHash } from 'node:crypto';
import * as limits from '../limits.js';
import { MESSAGE_VERSION } from '../message.js';

/** The beginning of a message of another version. */
const OTHER_VERSION = new RegExp(`^\\["(?!${MESSAGE_VERSION})[0-9A-Za-z][^\\n]*$`);
const UNKNOWN_DELAY_MIN_MS = limits.SECOND_MS;
const UNKNOWN_DELAY_MAX_MS = limits.MINUTE_MS;

export class MemoryAliens {
  /** text -> when it was first seen. */
  readonly #since = new Map<string, number>();

  /** How long to wait until the next look, or what to put aside instead. */
  judge(text: string, now: number): { delayMs: number } | { id: string; reason: string } {
    const isOtherVersion = OTHER_VERSION.test(text);
    const since = this.#since.get(text) ?? now;
    const ageMs = now - since;
    if (isOtherVersion && ageMs < limits.UNKNOWN_TASK_TTL_MS) {
      this.#since.set(text, since);
      return { delayMs: Math.min(Math.max(ageMs, UNKNOWN_DELAY_MIN_MS), UNKNOWN_DELAY_MAX_MS) };
    }
    this.#since.delete(text);
    const id = createHash('sha1').update(text).digest('hex');
    return { id, reason: isOtherVersion ? 'unknown version' : 'malformed' };
  }

  clear(): void {
    this.#since.clear();
  }
}
