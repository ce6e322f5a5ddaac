/** The storage's clock as a consumer knows it: from each reply, carried on by this machine's monotonic clock. */
export class StorageClock {
  #offsetMs = Date.now() - performance.now();
  /** The storage's clock minus the wall clock of this machine, at the last reply. */
  skewMs = 0;

  /** ms since 1970. A step of the wall clock here changes nothing. */
  get now(): number {
    return this.#offsetMs + performance.now();
  }

  note(now: number): void {
    this.skewMs = now - Date.now();
    this.#offsetMs = now - performance.now();
  }
}
