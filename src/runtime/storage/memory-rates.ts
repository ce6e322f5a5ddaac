/** Rate limits: calls counted in a fixed window that begins with the first call in it. */
import type { RateReply } from '../storage.js';
import { ExpiringMap } from './memory-expiring.js';

export class MemoryRates {
  readonly #windows = new ExpiringMap<{ usage: number; endsAt: number }>();

  call(name: string, limit: number, perMs: number, count: boolean, now: number): RateReply {
    const window = this.#windows.get(name, now);
    const usage = window?.usage ?? 0;
    const allowed = usage < limit;
    if (!allowed || !count) return { allowed, usage, resetMs: window === undefined ? 0 : window.endsAt - now };
    const endsAt = window?.endsAt ?? now + perMs;
    this.#windows.set(name, { usage: usage + 1, endsAt }, endsAt, now);
    return { allowed, usage: usage + 1, resetMs: endsAt - now };
  }

  reset(name: string): void {
    this.#windows.delete(name);
  }

  clear(): void {
    this.#windows.clear();
  }
}
