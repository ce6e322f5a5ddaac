/** Locks: who has which. A run's lock lasts as long as the run, a process's as long as its lease. */
import type { LockOwner } from '../storage.js';

export class MemoryLocks {
  readonly #locks = new Map<string, { owner: LockOwner; endsAt: number }>();
  readonly #isRunning: (run: NonNullable<LockOwner['run']>) => boolean;

  constructor(isRunning: (run: NonNullable<LockOwner['run']>) => boolean) {
    this.#isRunning = isRunning;
  }

  acquire(name: string, owner: LockOwner, now: number): boolean {
    const held = this.#held(name, now);
    if (held !== undefined && held.token !== owner.token) return false;
    // A run that is over has nothing to protect, and would never give it back.
    if (owner.run !== undefined && !this.#isRunning(owner.run)) return false;
    this.#locks.set(name, { owner: { ...owner }, endsAt: now + (owner.leaseMs ?? 0) });
    return true;
  }

  extend(name: string, token: string, leaseMs: number, now: number): boolean {
    const held = this.#held(name, now);
    if (held === undefined || held.token !== token) return false;
    this.#locks.set(name, { owner: held, endsAt: now + leaseMs });
    return true;
  }

  release(name: string, token: string, now: number): boolean {
    if (this.#held(name, now)?.token !== token) return false;
    return this.#locks.delete(name);
  }

  isHeld(name: string, now: number): boolean {
    return this.#held(name, now) !== undefined;
  }

  /** Gives those that were held. */
  flush(names: readonly string[] | undefined, now: number): string[] {
    const held = [...new Set(names ?? this.#locks.keys())].filter((name) => this.isHeld(name, now));
    for (const name of names ?? [...this.#locks.keys()]) this.#locks.delete(name);
    return held;
  }

  /** Forgets those that nobody holds any more. */
  sweep(now: number): void {
    for (const name of this.#locks.keys()) if (!this.isHeld(name, now)) this.#locks.delete(name);
  }

  #held(name: string, now: number): LockOwner | undefined {
    const lock = this.#locks.get(name);
    if (lock === undefined) return undefined;
    const { owner, endsAt } = lock;
    const isHeld = owner.run === undefined ? endsAt > now : this.#isRunning(owner.run);
    return isHeld ? owner : undefined;
  }
}
