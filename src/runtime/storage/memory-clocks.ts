/** The clocks of queues in memory, by name, where a test has set one. Here and not in memory.ts, so that a Huey loads no storage before its first call. */

/** ms since 1970. */
export type Clock = () => number;

const clocks = new Map<string, Clock>();

export function setMemoryClock(queue: string, clock: Clock): void {
  clocks.set(queue, clock);
}

/** Follows a clock that is set later, too. */
export function memoryClock(queue: string): Clock {
  return () => (clocks.get(queue) ?? Date.now)();
}
