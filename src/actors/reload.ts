/**
 * Reloading: new code in a consumer that goes on. Duties:
 *  1. one reload after the other; what is asked for while one is under way is one more, since files may have changed;
 *  2. refuse what cannot change in a consumer that runs, and say so; the code from before goes on then;
 *  3. hear of each request that came through the storage once, whether by push or by heartbeat.
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigurationError, HueyException } from '../runtime/errors.js';
import type { Logger } from './log.js';
import type { Manifest } from './protocol.js';
import type { RunSummary } from './supervisor-events.js';

export interface ReloadDuties {
  log: Logger;
  /** Loads the module in new threads and lets them take over. Rejects where the code from before goes on. */
  load: () => Promise<RunSummary>;
  onReloaded: (summary: RunSummary) => void;
}

export class Reloader {
  readonly #duties: ReloadDuties;
  #running: Promise<RunSummary> | undefined;
  #next: Promise<RunSummary> | undefined;
  /** Requests through the storage that were heard of; undefined: it is no consumer yet. */
  #heard: number | undefined;

  constructor(duties: ReloadDuties) {
    this.#duties = duties;
  }

  /** Resolves when the new threads have taken over. */
  async reload(): Promise<RunSummary> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  /** Asked for so often by now. */
  note(reloads: number): void {
    if (this.#heard === undefined || reloads <= this.#heard) return;
    this.#heard = reloads;
    this.#duties.log.info('a reload was asked for through the storage');
    // How it ends is in the log.
    this.reload().catch(() => undefined);
  }

  /** A consumer from now on: what was asked for before is not for it. A later life hears of what it missed by `note`. */
  enter(reloads: number): void {
    this.#heard ??= reloads;
    this.note(reloads);
  }

  async #begin(): Promise<RunSummary> {
    const { log, load, onReloaded } = this.#duties;
    this.#running = load();
    try {
      const summary = await this.#running;
      log.info('reloaded: the new code has taken over', { ...summary });
      onReloaded(summary);
      return summary;
    } catch (error) {
      log.error('not reloaded, the code from before runs on', { error: lineOf(error) });
      throw error;
    } finally {
      this.#running = undefined;
    }
  }
}

/**
 * What threads, storage and actors were made with stays as it is while the consumer runs.
 * @param hasUrl the storage is given by an option: where the module would keep it does not matter.
 * @throws ConfigurationError
 */
export function checkReload(before: Manifest, next: Manifest, hasUrl: boolean): void {
  const changed =
    before.queue !== next.queue
      ? `the queue is "${next.queue}" and was "${before.queue}"`
      : !hasUrl && !isDeepStrictEqual(before.connection, next.connection)
        ? 'the connection is another one'
        : isDeepStrictEqual(before.settings.payload, next.settings.payload)
          ? undefined
          : 'the settings of payloads (signing, compression) are others';
  if (changed !== undefined)
    throw new ConfigurationError(`${changed}, which cannot change while a consumer runs: stop it and start it anew`, 'not-reloadable');
}

/** The import error, with its class where that says more than that it was thrown here. */
function lineOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error instanceof HueyException ? error.message : `${error.name}: ${error.message}`;
  return text.replace(/\s*\n\s*/g, ' | ');
}
