/**
 * Who listens to events, in the storage thread: keeps this storage's row of a listener alive and hands on what was
 * published since the last look, by this process or by others.
 */
import { SqlError } from './sqlite-driver.js';
import type { SqliteEngine } from './sqlite-engine.js';
import { LISTENER_RENEW_MS } from './sqlite-events.js';
import type { FromThread } from './sqlite-protocol.js';

export class Listener {
  readonly #tell: (message: FromThread) => void;
  readonly #renew: (name: string) => void;
  /** The newest event that was told; undefined while nobody listens. */
  #seq: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param renew has the row written anew. */
  constructor(tell: (message: FromThread) => void, renew: (name: string) => void) {
    this.#tell = tell;
    this.#renew = renew;
  }

  get isOn(): boolean {
    return this.#seq !== undefined;
  }

  /** After the row was written or removed. */
  switched(name: string, on: boolean, { seq, wasThere }: { seq: number; wasThere: boolean }): void {
    if (!on) return this.stop();
    // Without the row nothing was written for this listener: what was published meanwhile is lost.
    if (this.isOn && !wasThere) this.#tell({ events: { events: [], gap: true } });
    this.#seq ??= seq;
    this.#timer ??= setInterval(() => this.#renew(name), LISTENER_RENEW_MS);
  }

  /** Something may have been published. */
  look(engine: SqliteEngine): void {
    try {
      while (this.#seq !== undefined) {
        const read = engine.tools.eventsAfter(this.#seq);
        if (read.events.length === 0 && !read.gap) return;
        this.#seq = read.seq;
        this.#tell({ events: { events: read.events, gap: read.gap } });
      }
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      // Another process is in the way; the next look finds them.
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seq = undefined;
  }
}
