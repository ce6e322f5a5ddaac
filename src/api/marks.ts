/** Revoke and restore: marks that keep tasks from starting. They never stop what runs. */
import { instantMs, type DateInput } from '../runtime/clock.js';
import { ConfigurationError } from '../runtime/errors.js';
import type { Mark } from '../runtime/storage.js';
import { booleanOption, checkKeys } from './option-check.js';

export interface RevokeOptions {
  /** True: ends with the first start that it prevents. */
  revokeOnce?: boolean;
  /** Ends at this date, by the storage's clock. */
  revokeUntil?: DateInput;
  /** Of a date given as ISO text without an offset: true (default) means local time, false UTC. */
  convertUtc?: boolean;
}

const KEYS = ['revokeOnce', 'revokeUntil', 'convertUtc'] as const satisfies (keyof RevokeOptions)[];

/** @throws ConfigurationError */
export function markFrom(options: RevokeOptions, onceByDefault: boolean): Mark {
  checkKeys(options, KEYS, 'revoke');
  const { revokeOnce, revokeUntil, convertUtc } = options;
  const untilMs = revokeUntil === undefined ? 0 : instantMs(revokeUntil, convertUtc === undefined ? {} : { convertUtc });
  if (revokeUntil !== undefined && untilMs <= 0) throw new ConfigurationError('revokeUntil must be after 1970', 'bad-date');
  return { once: revokeOnce === undefined ? onceByDefault : booleanOption(revokeOnce, 'revokeOnce'), untilMs };
}
