/** The message of one tick of a periodic task. */
import { encodeMessage } from '../runtime/message.js';
import type { TaskManifest } from '../runtime/registry.js';

export function tickMessage({ name, settings }: TaskManifest, id: string, minuteMs: number, now: number): string {
  const { retries, retryDelayMs, retryBackoff, priority, timeoutMs, expires } = settings;
  const body = {
    args: [],
    at: now,
    tick: minuteMs,
    ...(retries > 0 ? { retries, retryDelayMs, retryBackoff } : {}),
  };
  const expiresAt = expires === undefined ? 0 : 'afterMs' in expires ? expires.afterMs : expires.atMs;
  const head = {
    id,
    name,
    attempts: 0,
    retries,
    lapses: 0,
    deaths: 0,
    priority,
    timeoutMs,
    expiresAt,
    expiryIsRelative: expires !== undefined && 'afterMs' in expires,
  };
  return encodeMessage(head, JSON.stringify(body));
}
