/**
 * The handle of a supervisor that runs in a thread of its own, so that a host that blocks its loop stalls no task. It
 * has no effect on the host's signal handlers or exit code.
 */
import { EventEmitter } from 'node:events';
import path from 'node:path';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { connectActor, type ActorRef } from '../runtime/actor-ref.js';
import { HueyException } from '../runtime/errors.js';
import { threadArguments } from '../runtime/thread-arguments.js';
import type { EmbeddedData, EmbeddedMethods, FromEmbedded } from './embedded-thread.js';
import { verdict, type Health } from './health.js';
import { silentLogger, type Logger } from './log.js';
import type { RunSummary, SupervisorEvents } from './supervisor-events.js';
import { checkSupervisorOptions, type SupervisorOptions } from './supervisor-options.js';
import { costOf } from './output-budget.js';
import { lineWriter, type LineWriter, type TaskLine } from './task-lines.js';
import { within } from './within.js';

/** The module may take long to load, and a storage that is away is waited for. */
const START_DEADLINE_MS = 24 * 60 * 60 * 1000;
/** A stop takes its grace and a little more; this only catches a thread that hangs. */
const STOP_EXTRA_MS = 30_000;
/** A thread that takes longer to say how it is, is not well. */
const HEALTH_MS = 1000;

export class EmbeddedSupervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #graceMs: number;
  readonly #write: LineWriter;
  #worker: Worker | undefined;
  #remote: ActorRef<EmbeddedMethods> | undefined;
  #stopped: Promise<void> | undefined;
  #tellReady: () => void = () => undefined;
  readonly #ready = new Promise<void>((resolve) => {
    this.#tellReady = resolve;
  });
  #hasStarted = false;
  #isGone = false;
  /** What ended its thread, or its start. */
  #failure: Error | undefined;

  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.#log = options.logger ?? silentLogger;
    const { graceMs, output } = checkSupervisorOptions(options);
    this.#graceMs = graceMs;
    this.#write = lineWriter(output);
  }

  async start(): Promise<void> {
    if (this.#worker) throw new HueyException('a supervisor starts once; make another one', 'started-before');
    const down = new MessageChannel();
    const up = new MessageChannel();
    const { logger: _, output: __, ...options } = this.#options;
    const data: EmbeddedData = {
      options: { ...options, module: String(options.module), cwd: path.resolve(options.cwd ?? '.') },
      inbox: down.port2,
      outbox: up.port2,
      wanted: this.#wanted(),
    };
    const worker = new Worker(new URL('./embedded-thread.js', import.meta.url), {
      name: 'supervisor',
      workerData: data,
      transferList: [down.port2, up.port2],
      ...threadArguments(),
    });
    this.#worker = worker;
    this.#listen(up.port1, worker);
    this.#remote = connectActor<EmbeddedMethods>(down.port1, {
      name: 'the supervisor',
      methods: ['start', 'stop', 'reload', 'want', 'health'],
      deadlineMs: START_DEADLINE_MS,
    });
    for (const change of ['newListener', 'removeListener']) EventEmitter.prototype.on.call(this, change, () => this.#tellWanted());
    try {
      await this.#remote.start();
      // It comes through another port, and so may come later.
      await this.#ready;
      this.#hasStarted = true;
    } catch (error) {
      this.#stopped = Promise.resolve();
      await worker.terminate();
      // Where the thread itself died, its error says more than that it is gone.
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      throw this.#failure;
    }
  }

  async stop({ grace }: { grace?: number } = {}): Promise<void> {
    if (this.#stopped !== undefined && grace === undefined) return this.#stopped;
    const graceMs = grace === undefined ? this.#graceMs : grace * 1000;
    this.#stopped = this.#shutDown(graceMs);
    return this.#stopped;
  }

  async reload(): Promise<RunSummary> {
    if (this.#remote === undefined || this.#isGone) throw new HueyException('only a consumer that runs can reload', 'not-running');
    return this.#remote.reload();
  }

  /** As the thread tells it; where it is gone or does not answer, that is what is told. Never rejects. */
  async health(): Promise<Health> {
    if (this.#remote === undefined) return { state: 'new', live: verdict([]), ready: verdict(['it was not started']) };
    if (this.#isGone) {
      const reason = this.#failure === undefined ? 'it has stopped' : `it cannot go on: ${this.#failure.message}`;
      return { state: this.#failure === undefined ? 'stopped' : 'faulted', live: verdict([reason]), ready: verdict([reason]) };
    }
    let health: Health | undefined;
    const asked = this.#remote.health().then((told) => (health = told));
    await within(asked, HEALTH_MS).catch(() => false);
    if (health !== undefined) return health;
    if (!this.#hasStarted) return { state: 'starting', live: verdict([]), ready: verdict(['starting: its thread is coming up']) };
    const silent = verdict([`the supervisor did not answer within ${HEALTH_MS / 1000} s`]);
    return { state: 'running', live: silent, ready: silent };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #shutDown(graceMs: number): Promise<void> {
    const worker = this.#worker;
    if (!worker || !this.#remote) return;
    try {
      await within(this.#remote.stop(graceMs / 1000), graceMs + STOP_EXTRA_MS);
    } catch {
      // The thread is gone already: there is nothing left to stop.
    }
    await worker.terminate();
  }

  #listen(port: MessagePort, worker: Worker): void {
    port.on('message', (message: FromEmbedded) => {
      if (message.kind === 'line') this.#line(port, message.line);
      else if (message.kind === 'log') this.#log[message.level](message.message, message.fields);
      else if (message.name === 'fault') this.#fault(new Error(message.message));
      else this.emit(message.name, message.event as never);
      if (message.kind === 'event' && message.name === 'ready') this.#tellReady();
    });
    worker.on('error', (error) => {
      this.#failure = error;
    });
    worker.on('exit', () => {
      this.#isGone = true;
      port.close();
      if (this.#stopped === undefined) this.#fault(this.#failure ?? new Error('the supervisor thread ended'));
    });
  }

  /** The thread has no more under way than it knows to be written. */
  #line(port: MessagePort, line: TaskLine): void {
    const written = (): void => port.postMessage(costOf(line.text));
    const writing = this.#write(line);
    if (writing === undefined) written();
    else void writing.catch(() => undefined).then(written);
  }

  #fault(error: Error): void {
    if (this.listenerCount('fault') > 0) this.emit('fault', error);
    else this.#log.error('the consumer cannot go on', { error: error.message });
  }

  #wanted(): string[] {
    return this.eventNames().map(String);
  }

  /** Events that nobody listens to are not sent, and what they cost is not paid. */
  #tellWanted(): void {
    queueMicrotask(() => {
      this.#remote?.want(this.#wanted()).catch(() => undefined);
    });
  }
}
