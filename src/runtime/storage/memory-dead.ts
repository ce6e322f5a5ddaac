/** Messages that were put aside: kept with their bytes for a time, the oldest making room for newer ones. */
import { DEAD_MAX, DEAD_TTL_MS } from '../limits.js';

export interface DeadMessage {
  id: string;
  text: string;
  reason: string;
  at: number;
}

export class MemoryDead {
  /** By id, oldest first. */
  readonly #messages = new Map<string, DeadMessage>();

  get size(): number {
    return this.#messages.size;
  }

  add(message: DeadMessage): void {
    this.#messages.delete(message.id);
    this.#messages.set(message.id, message);
    this.#forgetOld(message.at);
  }

  newest(limit: number, now: number): DeadMessage[] {
    this.#forgetOld(now);
    const newest = [...this.#messages.values()].reverse().slice(0, limit);
    return newest.map((message) => ({ ...message }));
  }

  find(id: string, now: number): DeadMessage | undefined {
    this.#forgetOld(now);
    return this.#messages.get(id);
  }

  delete(id: string): boolean {
    return this.#messages.delete(id);
  }

  clear(): void {
    this.#messages.clear();
  }

  #forgetOld(now: number): void {
    for (const [id, { at }] of this.#messages) {
      if (this.#messages.size <= DEAD_MAX && at + DEAD_TTL_MS > now) return;
      this.#messages.delete(id);
    }
  }
}
