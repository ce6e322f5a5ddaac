/**
 * Which ticks of periodic tasks are due: one look at the minutes since the last one. It knows no timers and no threads;
 * the periodic actor calls it each minute, tests call it in simulated time. However many consumers do the same, the
 * storage takes each (task, minute) once.
 */
import { crontab, type Crontab } from '../runtime/crontab.js';
import { MINUTE_MS } from '../runtime/limits.js';
import type { PeriodicSettings } from '../runtime/registry.js';

export interface PeriodicData {
  tasks: { name: string; periodic: PeriodicSettings }[];
  /** The zone of crontabs that name none. */
  zone: string;
}

/** What the supervisor offers to it. */
export interface PeriodicOffers {
  storageNow(): number;
  /** The crontabs are looked at now. */
  checking(): void;
  tick(task: string, minuteMs: number): Promise<boolean>;
  lastTicks(tasks: string[]): Promise<(number | undefined)[]>;
  skipTicks(tasks: string[], minuteMs: number): Promise<void>;
  skipped(task: string, minutes: number): void;
}

/** The same through a port: each answer takes its time. */
type Offered = {
  [Name in keyof PeriodicOffers]: (...args: Parameters<PeriodicOffers[Name]>) => Promise<Awaited<ReturnType<PeriodicOffers[Name]>>>;
};

interface Entry {
  name: string;
  crontab: Crontab;
  zone: string;
  catchUpMs: number;
  /** Minutes up to this one are settled: ticked, skipped, or not its own. */
  settledMs: number;
}

export class PeriodicWalk {
  readonly #data: PeriodicData;
  readonly #supervisor: Offered;
  #entries: Entry[] | undefined;

  constructor(data: PeriodicData, supervisor: Offered) {
    this.#data = data;
    this.#supervisor = supervisor;
  }

  /**
   * Has enqueued what is due. Gives the ms until the next minute begins by the storage's clock. Rejects where a call
   * failed; what was due then is caught up with by the next look.
   */
  async look(): Promise<number> {
    const now = await this.#supervisor.storageNow();
    this.#entries ??= await this.#recall(now);
    const minuteMs = Math.floor(now / MINUTE_MS) * MINUTE_MS;
    await this.#supervisor.checking();
    for (const entry of this.#entries) await this.#settle(entry, minuteMs, now);
    return minuteMs + MINUTE_MS - (await this.#supervisor.storageNow());
  }

  /** What the storage remembers: ticks since then, within the catch-up window, are still owed. */
  async #recall(now: number): Promise<Entry[]> {
    const { tasks, zone } = this.#data;
    const names = tasks.map(({ name }) => name);
    const minutes = await this.#supervisor.lastTicks(names);
    const minuteMs = Math.floor(now / MINUTE_MS) * MINUTE_MS;
    const unknown = names.filter((_, i) => minutes[i] === undefined);
    if (unknown.length > 0) await this.#supervisor.skipTicks(unknown, minuteMs);
    return tasks.map(({ name, periodic }, i) => ({
      name,
      crontab: crontab(periodic.expression),
      zone: periodic.zone ?? zone,
      catchUpMs: periodic.catchUpMs,
      settledMs: minutes[i] ?? minuteMs,
    }));
  }

  /** Enqueues the newest minute that is due and not settled; older ones are skipped. */
  async #settle(entry: Entry, minuteMs: number, now: number): Promise<void> {
    const oldestMs = Math.max(entry.settledMs + MINUTE_MS, Math.ceil((now - entry.catchUpMs - MINUTE_MS) / MINUTE_MS) * MINUTE_MS);
    let due: number | undefined;
    let skipped = 0;
    for (let at = minuteMs; at >= oldestMs; at -= MINUTE_MS) {
      if (!entry.crontab.matches(at, entry.zone)) continue;
      if (due === undefined) due = at;
      else skipped += 1;
    }
    if (due !== undefined && !(await this.#supervisor.tick(entry.name, due))) {
      // Another consumer was first, or, by the storage's clock, the minute has not come yet: then it is still owed.
      const [last] = await this.#supervisor.lastTicks([entry.name]);
      if (last === undefined || last < due) throw new Error(`the minute has not come yet for ${entry.name}`);
    }
    entry.settledMs = Math.max(entry.settledMs, minuteMs);
    if (skipped > 0) await this.#supervisor.skipped(entry.name, skipped);
  }
}
