/** An outage of the storage is told once when it begins, and once, with its length, when it ends. */
import type { Logger } from './log.js';

export class OutageLog {
  readonly #log: Logger;
  #since: number | undefined;
  #lastTrouble = '';

  constructor(log: Logger) {
    this.#log = log;
  }

  note(lost: boolean, address: string, error?: Error): void {
    if (lost && this.#since === undefined) {
      this.#since = performance.now();
      this.#log.error('the storage is not reachable; tasks wait, the consumer keeps trying', { storage: address, error: error?.message });
    } else if (!lost && this.#since !== undefined) {
      const seconds = ((performance.now() - this.#since) / 1000).toFixed(1);
      this.#since = undefined;
      this.#lastTrouble = '';
      this.#log.info('the storage is reachable again', { storage: address, seconds });
    }
  }

  /** A call that failed and is repeated. Told once for each kind while it lasts. */
  trouble(error: Error): void {
    if (error.message === this.#lastTrouble || this.#since !== undefined) return;
    this.#lastTrouble = error.message;
    this.#log.warn('a call to the storage failed and is repeated', { error: error.message });
  }
}
