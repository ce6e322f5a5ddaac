/** Unique keys: which invocation has which, so that a second one is not stored while it has it. */
import type { UniqueClaim } from '../storage.js';
import { ExpiringMap } from './memory-expiring.js';

export class MemoryUniques {
  readonly #owners = new ExpiringMap<string>();

  /** Another invocation that has this key. */
  rival(key: string, id: string, now: number): string | undefined {
    const owner = this.#owners.get(key, now);
    return owner === id ? undefined : owner;
  }

  take({ key, ttlMs }: UniqueClaim, id: string, now: number): void {
    this.#owners.set(key, id, ttlMs === 0 ? Infinity : now + ttlMs, now);
  }

  free(key: string, id: string, now: number): void {
    if (this.#owners.get(key, now) === id) this.#owners.delete(key);
  }

  clear(): void {
    this.#owners.clear();
  }
}
