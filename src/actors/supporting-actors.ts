/** The scheduler and the periodic actor as the supervisor sees them: what they may ask of it, and what they are told. */
import { isDeepStrictEqual } from 'node:util';
import { IdGenerator } from '../runtime/ids.js';
import { MINUTE_MS } from '../runtime/limits.js';
import { PayloadCodec } from '../runtime/payload-codec.js';
import type { Storage } from '../runtime/storage.js';
import { ActorThread } from './actor-thread.js';
import type { WatchedActor } from './health.js';
import type { Logger } from './log.js';
import type { PeriodicData, PeriodicMethods, PeriodicOffers } from './periodic.js';
import type { Manifest } from './protocol.js';
import type { SchedulerData, SchedulerMethods, SchedulerOffers } from './scheduler.js';
import type { SupervisorSettings } from './supervisor-options.js';
import { tickMessage } from './tick-message.js';

export interface SupportDuties {
  log: Logger;
  /** The storage's clock. */
  storageNow(): number;
  /** An actor died too often. */
  onFault(error: Error): void;
  /** What the periodic actor does; `text` is the message of a tick that was enqueued. */
  onPeriodic(status: 'checking-periodic' | 'scheduling-periodic', text?: string): void;
}

export class SupportingActors {
  readonly #duties: SupportDuties;
  readonly #scheduler: ActorThread<SchedulerMethods, SchedulerData>;
  readonly #storage: Storage;
  readonly #settings: SupervisorSettings;
  #manifest: Manifest;
  #periodic: ActorThread<PeriodicMethods, PeriodicData> | undefined;
  /** One change of the crontabs after the other. */
  #changing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(storage: Storage, manifest: Manifest, settings: SupervisorSettings, duties: SupportDuties) {
    this.#duties = duties;
    this.#storage = storage;
    this.#settings = settings;
    this.#manifest = manifest;
    this.#scheduler = new ActorThread<SchedulerMethods, SchedulerData>({
      name: 'scheduler',
      file: './scheduler.js',
      methods: ['wake', 'ping'],
      data: { intervalMs: settings.schedulerIntervalMs },
      offers: { promote: (limit) => storage.promote(limit) } satisfies SchedulerOffers,
      onDeath: (error, restarts) => this.#died(error, restarts),
    });
    this.#periodic = this.#startPeriodic();
  }

  /**
   * Other tasks and crontabs from now on. The minutes go on where they were: what the storage has as ticked is not ticked
   * again, and the minute in which this happens is looked at once more, in case nobody had come to it yet.
   */
  adopt(manifest: Manifest): void {
    const before = this.#manifest;
    this.#manifest = manifest;
    if (!this.#settings.periodic || isDeepStrictEqual(periodicOf(before), periodicOf(manifest))) return;
    this.#changing = this.#changing.then(() => this.#changeCrontabs(before, manifest));
  }

  async #changeCrontabs(before: Manifest, manifest: Manifest): Promise<void> {
    await this.#periodic?.stop();
    this.#periodic = undefined;
    const known = new Map(periodicOf(before).map(({ name, periodic }) => [name, periodic]));
    const changed = periodicOf(manifest).filter(({ name, periodic }) => known.has(name) && !isDeepStrictEqual(known.get(name), periodic));
    const minuteMs = Math.floor(this.#duties.storageNow() / MINUTE_MS) * MINUTE_MS;
    try {
      // A new crontab owes nothing for the time before it was there.
      if (changed.length > 0)
        await this.#storage.skipTicks(
          changed.map(({ name }) => name),
          minuteMs - MINUTE_MS,
        );
    } catch (error) {
      this.#duties.log.warn('a changed crontab may be caught up with for the time before it was there', {
        error: (error as Error).message,
      });
    }
    // The one before may name other tasks by now.
    if (!this.#stopped) this.#periodic = this.#startPeriodic();
  }

  #startPeriodic(): ActorThread<PeriodicMethods, PeriodicData> | undefined {
    const tasks = periodicOf(this.#manifest);
    if (tasks.length === 0 || !this.#settings.periodic) return undefined;
    return new ActorThread<PeriodicMethods, PeriodicData>({
      name: 'periodic',
      file: './periodic.js',
      methods: ['ping'],
      data: { tasks, zone: this.#settings.zone },
      offers: { ...this.#periodicOffers() },
      onDeath: (error, restarts) => this.#died(error, restarts),
    });
  }

  /** Something is due earlier than what it knew. A hint that is lost costs it one interval. */
  wakeScheduler(): void {
    this.#scheduler.ref?.wake().catch(() => undefined);
  }

  /** For who asks whether they answer. */
  get watched(): readonly WatchedActor[] {
    return this.#periodic === undefined ? [this.#scheduler] : [this.#scheduler, this.#periodic];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#scheduler.stop(), this.#changing.then(() => this.#periodic?.stop())]);
  }

  #periodicOffers(): PeriodicOffers {
    const storage = this.#storage;
    const manifest = this.#manifest;
    const ids = new IdGenerator();
    const { log } = this.#duties;
    const codec = new PayloadCodec(manifest.queue, manifest.settings.payload);
    return {
      storageNow: () => this.#duties.storageNow(),
      checking: () => this.#duties.onPeriodic('checking-periodic'),
      tick: async (name, minuteMs) => {
        const task = manifest.tasks.find((one) => one.name === name);
        if (!task) return false;
        const text = tickMessage(task, ids.next(), minuteMs, Date.now(), codec);
        const ticked = await storage.tick({ task: name, minuteMs, text });
        if (ticked) this.#duties.onPeriodic('scheduling-periodic', text);
        log.debug(ticked ? 'a periodic task is due' : 'a tick was enqueued by another consumer', { task: name });
        return ticked;
      },
      lastTicks: (names) => storage.lastTicks(names),
      skipTicks: (names, minuteMs) => storage.skipTicks(names, minuteMs),
      skipped: (task, ticks) => log.warn('older ticks of a periodic task were skipped', { task, ticks }),
    };
  }

  #died(error: Error, restarts: boolean): void {
    this.#duties.log.error(restarts ? 'an actor died and is started again' : 'an actor died too often', { error: error.message });
    if (!restarts) this.#duties.onFault(error);
  }
}

function periodicOf({ tasks }: Manifest): PeriodicData['tasks'] {
  return tasks.flatMap(({ name, periodic }) => (periodic ? [{ name, periodic }] : []));
}
