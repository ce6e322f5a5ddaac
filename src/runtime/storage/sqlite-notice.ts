/**
 * Notices that another process (or another storage of this one) has written. SQLite tells nobody, so: the log file is
 * watched, and every 50 ms `PRAGMA data_version` is compared in case the watch missed something. Only while somebody
 * is interested.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';

const POLL_MS = 50;
/** The watch fires when pages are written, a moment before they are committed: it is looked again this much later. */
const SETTLE_MS = [1, 2, 8] as const;

export class WriteNotice {
  readonly #logFile: string;
  readonly #version: () => number;
  readonly #changed: () => void;
  #known = 0;
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #atOnce: NodeJS.Immediate | undefined;

  /** @param version of the data; may throw while another process is in the way, then it is asked again. */
  constructor(filename: string, version: () => number, changed: () => void) {
    this.#logFile = `${filename}-wal`;
    this.#version = version;
    this.#changed = changed;
  }

  /** Whatever is written after this call is noticed. */
  start(): void {
    if (this.#poll !== undefined) return;
    this.#known = this.#current() ?? -1;
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    try {
      this.#watcher = watch(this.#logFile, { persistent: false }, () => this.#stir());
      // Without a watch the poll is enough.
      this.#watcher.on('error', () => this.#stopWatching());
    } catch {
      this.#watcher = undefined;
    }
  }

  stop(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#soon);
    clearImmediate(this.#atOnce);
    this.#poll = this.#soon = this.#atOnce = undefined;
    this.#stopWatching();
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** One write makes many events. */
  #stir(): void {
    if (this.#atOnce !== undefined) return;
    this.#atOnce = setImmediate(() => {
      this.#atOnce = undefined;
      this.#look();
    });
    clearTimeout(this.#soon);
    this.#soon = this.#later(0);
  }

  #later(step: number): NodeJS.Timeout | undefined {
    const delayMs = SETTLE_MS[step];
    if (delayMs === undefined) return undefined;
    return setTimeout(() => {
      this.#soon = this.#later(step + 1);
      this.#look();
    }, delayMs);
  }

  #look(): void {
    const version = this.#current();
    if (version === undefined || version === this.#known) return;
    this.#known = version;
    this.#changed();
  }

  #current(): number | undefined {
    try {
      return this.#version();
    } catch {
      return undefined;
    }
  }
}
