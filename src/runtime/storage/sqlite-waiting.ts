/**
 * Who waits in the storage thread: ids whose end somebody wants to hear of, and whether a consumer is to be told of
 * earlier due dates, of what was canceled, and that it shall reload. After this process's own writes it is told from their effects; after those of others it looks.
 */
import type { Effects } from './sqlite-effects.js';
import type { SqliteEngine } from './sqlite-engine.js';
import type { FromThread } from './sqlite-protocol.js';

/** A larger record is read by whoever wants it. */
const RECORD_MAX_CHARS = 16 * 1024;
/** Looking for watched ids takes at most one part in this many of the thread's time. */
const LOOK_SHARE = 5;

export class Watched {
  /** id -> the end of the record that was told, 0 = none yet. */
  readonly #ids = new Map<string, number>();
  readonly #tell: (message: FromThread) => void;
  #tellConsumer = false;
  #knownDueAt: number | undefined;
  /** Canceled, in flight, and told. */
  #canceled = new Set<string>();
  /** Requests to reload that were told. */
  #reloads = 0;
  #mayLookAt = 0;
  #lookLater: NodeJS.Timeout | undefined;

  constructor(tell: (message: FromThread) => void) {
    this.#tell = tell;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0 && !this.#tellConsumer;
  }

  get hasIds(): boolean {
    return this.#ids.size > 0;
  }

  add(ids: readonly string[]): void {
    for (const id of ids) if (!this.#ids.has(id)) this.#ids.set(id, 0);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#ids.delete(id);
  }

  set tellConsumer(on: boolean) {
    this.#tellConsumer = on;
  }

  /** After a commit of this process. */
  afterOwn(engine: SqliteEngine, { ended, canceled, reload, earlier }: Effects): void {
    const mine: { id: string; record?: string }[] = [];
    for (const { id, record, endsAt } of ended) if (this.#note(id, endsAt)) mine.push(packEnd(id, record));
    if (mine.length > 0) this.#tell({ ended: mine });
    if (!this.#tellConsumer) return;
    this.#knownDueAt = engine.nextDueAt();
    if (earlier) this.#tell({ scheduled: true });
    if (canceled) this.#lookForCanceled(engine);
    if (reload) this.#lookForReload(engine);
  }

  /** After a write of somebody else. May throw SqlError. */
  afterOthers(engine: SqliteEngine): void {
    if (this.#tellConsumer) {
      this.#lookForDue(engine);
      this.#lookForCanceled(engine);
      this.#lookForReload(engine);
    }
    if (this.#ids.size === 0 || this.#lookLater !== undefined) return;
    const waitMs = this.#mayLookAt - performance.now();
    if (waitMs <= 0) return this.#lookForEnds(engine);
    this.#lookLater = setTimeout(() => {
      this.#lookLater = undefined;
      try {
        this.#lookForEnds(engine);
      } catch {
        // Another process is in the way; its next write, or whoever waits, looks again.
      }
    }, waitMs);
  }

  stop(): void {
    clearTimeout(this.#lookLater);
    this.#lookLater = undefined;
  }

  #lookForEnds(engine: SqliteEngine): void {
    const start = performance.now();
    const mine: { id: string; record?: string }[] = [];
    for (const id of this.#ids.keys()) {
      const end = engine.readEnd(id);
      if (end !== undefined && this.#note(id, end.endsAt)) mine.push(packEnd(id, end.record));
    }
    const end = performance.now();
    this.#mayLookAt = end + (end - start) * LOOK_SHARE;
    if (mine.length > 0) this.#tell({ ended: mine });
  }

  #lookForDue(engine: SqliteEngine): void {
    const dueAt = engine.nextDueAt();
    if (dueAt !== undefined && dueAt < (this.#knownDueAt ?? Infinity)) this.#tell({ scheduled: true });
    this.#knownDueAt = dueAt;
  }

  /** There are few: a mark goes with the end of its invocation. */
  #lookForCanceled(engine: SqliteEngine): void {
    const running = engine.canceledRunning();
    const news = running.filter((id) => !this.#canceled.has(id));
    this.#canceled = new Set(running);
    if (news.length > 0) this.#tell({ canceled: news });
  }

  #lookForReload(engine: SqliteEngine): void {
    const reloads = engine.reloads();
    if (reloads === this.#reloads) return;
    this.#reloads = reloads;
    this.#tell({ reloads });
  }

  /** True where this end of a watched id is news. */
  #note(id: string, endsAt: number): boolean {
    const told = this.#ids.get(id);
    if (told === undefined || told === endsAt) return false;
    this.#ids.set(id, endsAt);
    return true;
  }
}

function packEnd(id: string, record: string): { id: string; record?: string } {
  return record.length > RECORD_MAX_CHARS ? { id } : { id, record };
}
