/**
 * Several queues of one module: a supervisor for each, every one with a storage and workers of its own, so that no
 * queue waits for another. They start together and stop together; where one cannot start, none runs.
 */
import { EventEmitter } from 'node:events';
import path from 'node:path';
import { ConfigurationError, HueyException } from '../runtime/errors.js';
import { createSupervisor, type CreateSupervisorOptions, type SupervisorHandle } from './create-supervisor.js';
import { combine, verdict, type ConsumerState, type Health } from './health.js';
import { HealthSigns, type HealthSettings } from './health-signs.js';
import { silentLogger, type LogFields, type Logger } from './log.js';
import { moduleUrl, queueSelector } from './module-loader.js';
import { scanModule, type ModuleScan } from './module-scan.js';
import type { RunSummary, SupervisorEvents } from './supervisor-events.js';
import { checkSupervisorOptions } from './supervisor-options.js';

/** As for one; which Huey is not asked. */
export type SupervisorGroupOptions = Omit<CreateSupervisorOptions, 'huey'>;

type EventName = keyof SupervisorEvents;

/**
 * A consumer for every Huey with tasks of the module. `workers` counts for each of them.
 * @throws ConfigurationError where an option is wrong; nothing is started before `start`.
 */
export function createSupervisors(options: SupervisorGroupOptions): SupervisorHandle {
  return new SupervisorGroup(options);
}

class SupervisorGroup extends EventEmitter<SupervisorEvents> implements SupervisorHandle {
  readonly #options: SupervisorGroupOptions;
  #scan: ModuleScan | undefined;
  readonly #health: HealthSettings;
  #signs: HealthSigns | undefined;
  #state: ConsumerState = 'new';
  #queues: string[] = [];
  #supervisors: SupervisorHandle[] = [];
  readonly #forwarded = new Set<EventName>();
  #isStarted = false;
  #isStopped = false;
  #abandon: (error: Error) => void = () => undefined;

  constructor(options: SupervisorGroupOptions) {
    super();
    this.#health = checkSupervisorOptions(options).health;
    this.#options = options;
    // What nobody listens to is not asked for: a supervisor that tells of every task has work with it.
    EventEmitter.prototype.on.call(this, 'newListener', (name: EventName) => this.#forward(name));
  }

  async start(): Promise<void> {
    if (this.#isStarted) throw new ConfigurationError('a supervisor starts once; make another one', 'started-before');
    this.#isStarted = true;
    this.#state = 'starting';
    try {
      // One for all of them.
      this.#signs = await HealthSigns.open(this.#health, () => this.health(), this.#options.logger ?? silentLogger);
      if (this.#isStopped) {
        await this.#signs.close();
        throw stopped();
      }
      await this.#startAll();
      if (this.#state === 'starting') this.#state = 'running';
    } catch (error) {
      // The others may be waiting for a storage that is away.
      await this.stop({ grace: 0 });
      this.#state = 'faulted';
      throw error;
    }
  }

  async #startAll(): Promise<void> {
    const { module, cwd, healthPort: _, healthFile: __, ...rest } = this.#options;
    const url = moduleUrl(module, path.resolve(cwd ?? '.'));
    this.#scan = scanModule({ module: url, huey: undefined, all: true }, rest.import);
    const abandoned = new Promise<never>((_, reject) => {
      this.#abandon = reject;
    });
    abandoned.catch(() => undefined);
    const hueys = await Promise.race([this.#scan.found, abandoned]);
    if (this.#isStopped) throw stopped();
    this.#queues = hueys.map(({ queue }) => queue);
    this.#supervisors = this.#queues.map((queue) => {
      const logger = withQueue(rest.logger ?? silentLogger, queue);
      return createSupervisor({ ...rest, module: new URL(url), huey: queueSelector(queue), logger });
    });
    for (const name of this.#forwarded) this.#attach(name);
    await Promise.all(this.#supervisors.map((one) => one.start()));
  }

  /** Each for itself, at the same time; where the module has other queues by now, none. */
  async reload(): Promise<RunSummary> {
    const { module, cwd, import: imports, logger = silentLogger } = this.#options;
    if (this.#state !== 'running') throw new HueyException('only a consumer that runs can reload', 'not-running');
    try {
      const url = moduleUrl(module, path.resolve(cwd ?? '.'));
      checkQueues(this.#queues, await scanModule({ module: url, huey: undefined, all: true }, imports).found);
    } catch (error) {
      logger.error('not reloaded, the code from before runs on', { error: error instanceof Error ? error.message : String(error) });
      throw error;
    }
    const ends = await Promise.allSettled(this.#supervisors.map((one) => one.reload()));
    let summary: RunSummary | undefined;
    for (const end of ends) {
      if (end.status === 'rejected') throw end.reason;
      summary = end.value;
    }
    if (summary === undefined) throw stopped();
    return summary;
  }

  async health(): Promise<Health> {
    if (this.#supervisors.length === 0) {
      const reason =
        this.#state === 'new' ? 'it was not started' : this.#state === 'starting' ? 'starting: the module is loading' : 'it has stopped';
      const isOver = this.#state === 'stopped' || this.#state === 'faulted';
      return { state: this.#state, live: verdict(isOver ? [reason] : []), ready: verdict([reason]) };
    }
    const healths = await Promise.all(this.#supervisors.map((one) => one.health()));
    return combine(
      healths.map((health, n) => ({ name: this.#queues[n] ?? '', health })),
      this.#state,
    );
  }

  async stop(options: { grace?: number } = {}): Promise<void> {
    this.#isStopped = true;
    if (this.#state !== 'new') this.#state = 'stopping';
    this.#abandon(stopped());
    if (this.#supervisors.length === 0) await this.#scan?.cancel();
    else await Promise.all(this.#supervisors.map((one) => one.stop(options)));
    await this.#signs?.close();
    this.#state = 'stopped';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #forward(name: EventName): void {
    if (this.#forwarded.has(name)) return;
    this.#forwarded.add(name);
    this.#attach(name);
  }

  #attach(name: EventName): void {
    for (const supervisor of this.#supervisors) {
      (supervisor as NodeJS.EventEmitter).on(name, (...event: unknown[]) => (this as NodeJS.EventEmitter).emit(name, ...event));
    }
  }
}

/** @throws ConfigurationError */
function checkQueues(before: readonly string[], found: readonly { queue: string }[]): void {
  const now = new Set(found.map(({ queue }) => queue));
  const change = [
    ...[...now].filter((queue) => !before.includes(queue)).map((queue) => `the queue "${queue}" is new`),
    ...before.filter((queue) => !now.has(queue)).map((queue) => `the queue "${queue}" is gone`),
  ];
  if (change.length > 0)
    throw new ConfigurationError(`${change.join(', ')}, which cannot change while consumers run: stop and start anew`, 'not-reloadable');
}

function stopped(): HueyException {
  return new HueyException('the supervisors were stopped while they started', 'stopped');
}

/** Lines of several supervisors come through one log. */
function withQueue(logger: Logger, queue: string): Logger {
  const at = (level: keyof Logger) => (message: string, fields?: LogFields) => logger[level](message, { queue, ...fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
