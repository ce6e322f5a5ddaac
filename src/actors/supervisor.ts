/**
 * The supervisor actor: owns the storage of its queue and runs everything else. It never imports user code: a thread
 * loads the module and reports what it declares, as data. Life:
 *
 *     new -> starting -> running -> stopping -> stopped
 *                  \        |  \-> (reaped: threads end, a new consumer id, running again; reload: other threads, no gap)
 *                   \-------+----> faulted: it cannot go on, and says why
 */
import { EventEmitter } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { ConfigurationError, HueyException } from '../runtime/errors.js';
import { newConsumerId } from '../runtime/ids.js';
import { BEATS_PER_LEASE, COMMAND_TIMEOUT_MS } from '../runtime/limits.js';
import type { Storage } from '../runtime/storage.js';
import type { Decision, Outcome } from '../runtime/lifecycle.js';
import { failureOf } from '../runtime/lifecycle.js';
import type { Message } from '../runtime/message.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import { PayloadCodec, PLAIN_CODEC } from '../runtime/payload-codec.js';
import { preloadStorage } from '../runtime/storage/create.js';
import { Crew } from './crew.js';
import { crewEvents } from './crew-events.js';
import { Dispatcher } from './dispatcher.js';
import { TaskNews } from './task-news.js';
import { dispatcherOptions, type DispatcherOptions } from './dispatcher-options.js';
import { enterQueue, flushLocks } from './entry.js';
import { HealthMonitor, Pulse, type ConsumerState, type Health } from './health.js';
import { HealthSigns } from './health-signs.js';
import { Heartbeat } from './heartbeat.js';
import { silentLogger, type Logger } from './log.js';
import { moduleUrl } from './module-loader.js';
import { openStorage } from './open-storage.js';
import { OutageLog } from './outage-log.js';
import type { Manifest } from './protocol.js';
import { checkReload, Reloader } from './reload.js';
import { StepCalls } from './step-calls.js';
import { StorageDoor } from './storage-door.js';
import type { RunSummary, SupervisorEvents } from './supervisor-events.js';
import { checkSupervisorOptions, type SupervisorOptions, type SupervisorSettings } from './supervisor-options.js';
import { SupportingActors } from './supporting-actors.js';
import { TaskReporter } from './task-reporter.js';
import { threadError } from './thread-error.js';
import { within } from './within.js';

/** How long the last commits may take once everything has ended. */
const FLUSH_MS = COMMAND_TIMEOUT_MS;

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: SupervisorOptions;
  readonly #settings: SupervisorSettings;
  readonly #log: Logger;
  #state: ConsumerState = 'new';
  #manifest: Manifest | undefined;
  #storage: Storage | undefined;
  #door: StorageDoor | undefined;
  /** Ports of threads that asked for the storage before it was there. */
  readonly #knocking: MessagePort[] = [];
  #consumer = newConsumerId();
  #crew: Crew | undefined;
  #dispatcher: Dispatcher | undefined;
  #heartbeat: Heartbeat | undefined;
  #helpers: SupportingActors | undefined;
  #news: TaskNews | undefined;
  #codec = PLAIN_CODEC;
  readonly #report: TaskReporter;
  readonly #reloader: Reloader;
  readonly #outages: OutageLog;
  #signs: HealthSigns | undefined;
  #pulse: Pulse | undefined;
  /** Why it could not start or go on. */
  #failure: Error | undefined;
  readonly #monitor = new HealthMonitor(() => ({
    state: this.#state,
    failure: this.#failure,
    hasModule: this.#manifest !== undefined,
    storage: this.#storage,
    pulse: this.#pulse,
    actors: this.#helpers?.watched ?? [],
  }));
  #fail: (error: Error) => void = () => undefined;
  #stopped: Promise<void> | undefined;

  /** @throws ConfigurationError */
  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.#settings = checkSupervisorOptions(options);
    this.#log = options.logger ?? silentLogger;
    this.#outages = new OutageLog(this.#log);
    this.#report = new TaskReporter(this, this.#log);
    this.#reloader = new Reloader({
      log: this.#log,
      load: () => this.#load(),
      onReloaded: (summary) => this.emit('reloaded', summary),
    });
  }

  /** Resolves when tasks are taken. Rejects where the module does not load, or the storage refuses. */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new ConfigurationError('a supervisor starts once; make another one', 'started-before');
    this.#state = 'starting';
    preloadStorage(this.#options.url ?? process.env['HUEY_URL'] ?? process.env['REDIS_URL']);
    try {
      // Before the module is loaded, which may take long: who asks meanwhile learns that it is starting.
      this.#signs = await HealthSigns.open(this.#settings.health, () => this.health(), this.#log);
      if (this.#isEnding()) {
        await this.#signs.close();
        throw stopped();
      }
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        this.#crew = this.#makeCrew((manifest) => {
          this.#open(manifest).then(resolve, reject);
        });
      });
    } catch (error) {
      if (this.#stopped === undefined) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.#state = 'faulted';
        await this.#close();
      }
      await this.#stopped;
      throw error;
    }
  }

  /** Nothing new is leased; what has not started goes back; what runs has `grace` seconds, then it goes back too. */
  async stop({ grace }: { grace?: number } = {}): Promise<void> {
    const graceMs = grace === undefined ? this.#settings.graceMs : grace * 1000;
    if (this.#stopped !== undefined) {
      if (graceMs < this.#settings.graceMs) this.#dispatcher?.interruptRunning();
      return this.#stopped;
    }
    this.#stopped = this.#shutDown(graceMs);
    return this.#stopped;
  }

  /** New threads take over when all of them have loaded the module. Rejects where they cannot; the others run on then. */
  async reload(): Promise<RunSummary> {
    return this.#reloader.reload();
  }

  /** Whether it lives and whether it takes tasks. Answers within a second; never rejects. */
  health(): Promise<Health> {
    return this.#monitor.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #makeCrew(onManifest: (manifest: Manifest) => void): Crew {
    const { module, huey, cwd = process.cwd() } = this.#options;
    return new Crew(
      {
        module: moduleUrl(module, cwd),
        huey,
        ...this.#settings,
        openStorage: (port) => {
          if (this.#door) this.#door.open(port);
          else this.#knocking.push(port);
        },
      },
      crewEvents({
        onManifest,
        onUnloadable: (error) => this.#cannotGoOn(threadError(error)),
        dispatcher: () => this.#dispatcher,
        news: () => this.#news,
        report: this.#report,
        log: this.#log,
      }),
    );
  }

  async #open(manifest: Manifest): Promise<void> {
    this.#manifest = manifest;
    const storage = await openStorage(manifest, this.#options.url, this.#log);
    if (this.#isEnding()) return storage.close();
    this.#storage = storage;
    this.#door = new StorageDoor(storage, () => this.#consumer);
    this.#codec = new PayloadCodec(manifest.queue, manifest.settings.payload);
    this.#news = new TaskNews(storage, this.#codec);
    storage.listen({
      onEnded: (ended) => this.#door?.ended(ended),
      onScheduled: () => this.#helpers?.wakeScheduler(),
      onCancel: (ids) => this.#dispatcher?.cancel(ids),
      onReload: (reloads) => this.#reloader.note(reloads),
      onListener: () => this.#news?.want(),
      onEvents: (events, gap) => this.#door?.events(events, gap),
      onOutage: (lost, error) => this.#outages.note(lost, storage.address, error),
    });
    for (const port of this.#knocking.splice(0)) this.#door.open(port);
    await this.#enter(true);
    // Before anything is leased: what runs here afterwards keeps the locks that it takes.
    if (this.#state === 'starting') await flushLocks(storage, this.#settings.flush, this.#log);
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.#crew?.open();
    this.#startActors(storage, manifest);
    const summary = this.#summary(storage, manifest);
    this.#log.info('huey-runtime is running', { ...summary });
    this.emit('ready', summary);
  }

  #summary(storage: Storage, { queue, tasks }: Manifest): RunSummary {
    const periodic = tasks.filter((task) => task.periodic).length;
    return { queue, storage: storage.address, workers: this.#settings.workers, tasks: tasks.length, periodic };
  }

  async #load(): Promise<RunSummary> {
    if (this.#state !== 'running' || !this.#crew) throw new HueyException('only a consumer that runs can reload', 'not-running');
    this.#log.info('reloading: the module is loaded anew, in new threads');
    const manifest = await this.#crew.reload((next) => this.#adopt(next));
    return this.#summary(this.#ownStorage(), manifest);
  }

  /** What the module declares from now on. @throws ConfigurationError, and then nothing has changed. */
  #adopt(manifest: Manifest): void {
    if (this.#manifest !== undefined) checkReload(this.#manifest, manifest, this.#options.url !== undefined);
    this.#manifest = manifest;
    this.#dispatcher?.adopt(this.#dispatcherOptions(manifest));
    this.#helpers?.adopt(manifest);
  }

  /** Enters a life as a consumer. */
  async #enter(isFirst: boolean): Promise<void> {
    const storage = this.#ownStorage();
    const { leaseMs, instance, strict } = this.#settings;
    const entered = await enterQueue(storage, {
      ...{ consumer: this.#consumer, leaseMs, instance, isFirst, strict, log: this.#log },
      isEnding: () => this.#isEnding(),
      onAway: (error) => this.#outages.note(true, storage.address, error),
    });
    if (entered === undefined || this.#manifest === undefined) return;
    // What is closed by now cannot be told; then its lease ends by itself.
    if (this.#isEnding()) return storage.unregister(this.#consumer).catch(() => undefined);
    this.#outages.note(false, storage.address);
    const calls = new StepCalls(storage, this.#consumer, (error) => this.#outages.trouble(error));
    const dispatcher = new Dispatcher(calls, () => storage.interrupt(), this.#dispatcherOptions(this.#manifest), {
      onDecision: (message, decision, outcome, ran) => this.#decided(message, decision, outcome, ran),
      onDropped: (dropped) => this.#report.dropped(dropped),
      onRefused: (count) => this.#log.warn("commits were refused: the tasks are not this consumer's any more", { tasks: count }),
      onSignals: (list) => this.#crew?.tellSignals(list),
      onReaped: () => void this.#reborn(),
      onFault: (error) => this.#cannotGoOn(error),
    });
    dispatcher.noteStorageTime(entered.now);
    this.#dispatcher = dispatcher;
    const pulse = new Pulse(leaseMs / BEATS_PER_LEASE);
    this.#pulse = pulse;
    this.#heartbeat = new Heartbeat({
      storage,
      consumer: this.#consumer,
      leaseMs,
      heldIds: () => dispatcher.heldIds(),
      onTime: (time) => {
        pulse.came(undefined);
        dispatcher.noteStorageTime(time);
      },
      onCanceled: (ids) => dispatcher.cancel(ids),
      onReloads: (reloads) => this.#reloader.note(reloads),
      onLanding: () => dispatcher.look(),
      onReapedOthers: ({ consumers, tasks }) => {
        this.#log.warn('a consumer was silent for too long; its tasks run again', { consumers: consumers.length, tasks });
        dispatcher.look();
      },
      onReleased: (count) => this.#log.warn('tasks were given back that a lost reply had stranded', { tasks: count }),
      onReaped: () => void this.#reborn(),
      onTrouble: (error) => {
        pulse.came(error);
        this.#outages.trouble(error);
      },
    });
    this.#reloader.enter(entered.reloads);
  }

  #dispatcherOptions(manifest: Manifest): DispatcherOptions {
    const observe = (): boolean => this.#report.wantsCompletions || this.#news?.wanted === true;
    return dispatcherOptions(manifest, { codec: this.#codec, observe });
  }

  /** Taken for dead: what its threads still do counts for nothing, so they end; then it begins anew under another id. */
  async #reborn(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#log.warn('this consumer was silent for longer than its lease; its tasks were given back, it starts anew', {
      consumer: this.#consumer,
      // What of them still ends here is refused.
      refused: this.#dispatcher?.heldIds().size ?? 0,
    });
    this.#heartbeat?.end();
    this.#dispatcher?.end();
    this.#dispatcher = undefined;
    this.#pulse = undefined;
    const old = this.#crew;
    await old?.endAll('now');
    this.#consumer = newConsumerId();
    try {
      await this.#enter(false);
    } catch (error) {
      this.#cannotGoOn(error as Error);
      return;
    }
    if (this.#isEnding()) return;
    const crew = this.#makeCrew((next) => {
      try {
        // The module may be another one than at the start.
        this.#adopt(next);
        crew.open();
      } catch (error) {
        this.#cannotGoOn(error as Error);
      }
    });
    this.#crew = crew;
  }

  #startActors(storage: Storage, manifest: Manifest): void {
    this.#helpers = new SupportingActors(storage, manifest, this.#settings, {
      log: this.#log,
      storageNow: () => this.#dispatcher?.storageNow ?? Date.now(),
      onFault: (error) => this.#cannotGoOn(error),
      onPeriodic: (status, text) => (text === undefined ? this.#news?.tell(status) : this.#news?.task(status, text)),
    });
  }

  async #shutDown(graceMs: number): Promise<void> {
    if (this.#state === 'new' || this.#state === 'faulted') {
      this.#state = 'stopped';
      return;
    }
    this.#state = 'stopping';
    this.#fail(stopped());
    this.#log.info('stopping: nothing new is taken, what runs may finish', { grace: graceMs / 1000 });
    const dispatcher = this.#dispatcher;
    // Before anything is waited for: a second stop interrupts what runs, and that must not be leased here again.
    dispatcher?.stopLeasing();
    await this.#helpers?.stop();
    if (dispatcher) {
      const quiet = dispatcher.quiet();
      if (!(await within(quiet, graceMs))) {
        this.#log.warn('the grace period is over; what still runs is given back');
        dispatcher.interruptRunning();
        await within(quiet, FLUSH_MS);
      }
    }
    await this.#close();
    this.#log.info('stopped');
    this.#state = 'stopped';
  }

  async #close(): Promise<void> {
    this.#heartbeat?.end();
    this.#dispatcher?.end();
    await this.#helpers?.stop();
    await this.#crew?.endAll('quiet');
    await this.#news?.stop();
    // Whatever is still in flight goes back now, and not when the lease ends.
    if (this.#dispatcher) await this.#storage?.unregister(this.#consumer).catch((error: unknown) => this.#outages.trouble(error as Error));
    await this.#storage?.close();
    await this.#signs?.close();
  }

  #decided(message: Message | undefined, decision: Decision, outcome: Outcome, ran: RunFigures | undefined): void {
    this.#report.decided(message?.head, decision, outcome, ran);
    if (message === undefined) return;
    this.#news?.decided(message, decision, outcome, ran);
    if (this.#manifest?.settings.storeIntermediateErrors !== true || decision.transition.kind !== 'requeue' || !('error' in outcome))
      return;
    const { id, retries } = message.head;
    const text = JSON.stringify(failureOf(outcome.error, id, retries, true));
    // For readers that do not wait; the next attempt writes it anew.
    this.#storage?.setNote(id, 'error', text, this.#manifest.settings.resultTtlMs / 1000).catch(() => undefined);
  }

  #cannotGoOn(error: Error): void {
    if (this.#state === 'starting') return this.#fail(error);
    if (this.#state !== 'running') return;
    this.#failure ??= error;
    this.#log.error('the consumer cannot go on', { error: error.message });
    this.#news?.tell('error-internal');
    this.emit('fault', error);
  }

  /** It is stopped, or could not start: nothing may begin any more. */
  #isEnding(): boolean {
    return this.#state !== 'starting' && this.#state !== 'running';
  }

  #ownStorage(): Storage {
    if (!this.#storage) throw new HueyException('the storage is not open yet', 'not-open');
    return this.#storage;
  }
}

function stopped(): HueyException {
  return new HueyException('the supervisor was stopped while it started', 'stopped');
}
