/** A map whose values end at an instant of their own. What has ended is never seen, and swept out now and then. */

const SWEEP_MIN_ENTRIES = 1024;

export class ExpiringMap<Value> {
  readonly #entries = new Map<string, { value: Value; endsAt: number }>();
  #sweepAtSize = SWEEP_MIN_ENTRIES;

  get(key: string, now: number): Value | undefined {
    return this.#live(key, now)?.value;
  }

  set(key: string, value: Value, endsAt: number, now: number): void {
    this.#entries.set(key, { value, endsAt });
    if (this.#entries.size >= this.#sweepAtSize) this.#sweep(now);
  }

  /** Another value for the rest of the life of the one that is there. */
  replace(key: string, change: (value: Value) => Value, now: number): void {
    const entry = this.#live(key, now);
    if (entry !== undefined) entry.value = change(entry.value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Those that have not ended. */
  *entries(now: number): Generator<[string, Value]> {
    for (const [key, { value, endsAt }] of this.#entries) if (endsAt > now) yield [key, value];
  }

  #live(key: string, now: number): { value: Value; endsAt: number } | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.endsAt <= now ? undefined : entry;
  }

  #sweep(now: number): void {
    for (const [key, { endsAt }] of this.#entries) if (endsAt <= now) this.#entries.delete(key);
    this.#sweepAtSize = Math.max(SWEEP_MIN_ENTRIES, this.#entries.size * 2);
  }
}
