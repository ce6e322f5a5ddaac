/**
 * Tasks that this process enqueued while it was subscribed to their channel, and whose end was not pushed yet. Whoever begins to
 * wait for one of them need not look whether it has ended before, which would cost the server as much as a part of the task itself.
 * Only the last few are known, and none of them once a connection was lost.
 */
const KNOWN_MAX = 1000;

export class OpenEnds {
  /** id -> whether it is stored for sure. In the order in which they were enqueued. */
  readonly #ids = new Map<string, boolean>();

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Its enqueue begins; it may end before that has come back. */
  begin(id: string): void {
    this.#ids.set(id, false);
    if (this.#ids.size <= KNOWN_MAX) return;
    for (const oldest of this.#ids.keys()) {
      this.#ids.delete(oldest);
      return;
    }
  }

  /** It was stored by this very call, and not by one before, after which it may have ended unseen. */
  stored(id: string): void {
    if (this.#ids.has(id)) this.#ids.set(id, true);
  }

  /** Its end was pushed, or somebody waits for it from now on. True where its end is still to come. */
  take(id: string): boolean {
    const isStored = this.#ids.get(id) === true;
    this.#ids.delete(id);
    return isStored;
  }

  clear(): void {
    this.#ids.clear();
  }
}
