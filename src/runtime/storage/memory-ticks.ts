/** The newest minute of each periodic task that was enqueued, or seen. */
export class MemoryTicks {
  readonly #minutes = new Map<string, number>();

  /** True where this minute has come, and neither it nor a later one was recorded. */
  take(task: string, minuteMs: number, now: number): boolean {
    if (minuteMs > now || minuteMs <= (this.last(task) ?? -1)) return false;
    this.#minutes.set(task, minuteMs);
    return true;
  }

  last(task: string): number | undefined {
    return this.#minutes.get(task);
  }

  /** Keeps a later one. */
  skip(task: string, minuteMs: number): void {
    this.#minutes.set(task, Math.max(minuteMs, this.last(task) ?? 0));
  }

  clear(): void {
    this.#minutes.clear();
  }
}
