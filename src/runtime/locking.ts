/** The part of a storage's contract that is about locks and rate limits. By the storage's clock. */

/** Who takes a lock. */
export interface LockOwner {
  /** Random; what `releaseLock` must name. */
  token: string;
  /** A running task: the lock is free as soon as this run is in flight no more, whoever ended it. */
  run?: { consumer: string; id: string; /** runOf(head) */ run: string };
  /** Anybody else: the lock is free after this time, unless it is renewed. */
  leaseMs?: number;
}

export interface RateReply {
  allowed: boolean;
  /** Calls counted in the current window, this one included where it was allowed. */
  usage: number;
  /** Until the window ends. */
  resetMs: number;
}

export interface LockVerbs {
  /** Takes a lock or refuses it, at once. Repeatable with the same token. Atomic. */
  acquireLock(name: string, owner: LockOwner): Promise<boolean>;
  /** Renews a lock of a process. False where it was lost. */
  extendLock(name: string, token: string, leaseMs: number): Promise<boolean>;
  releaseLock(name: string, token: string): Promise<boolean>;
  isLocked(name: string): Promise<boolean>;
  /** Removes these locks, or all; gives the names of those that were held. */
  flushLocks(names?: readonly string[]): Promise<string[]>;
  /** Counts a call in a fixed window of `perMs` that begins with the first call in it. `count` false: only looks. Storage's clock. */
  rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<RateReply>;
  resetRate(name: string): Promise<void>;
}
