/**
 * The life of a consumer: one supervisor (or one for each queue of the module) until a stop or a fault; SIGHUP has it reload, and while it
 * has not come up yet starts anew. Exit codes: 0 after a
 * stop that was asked for, 3 where another consumer has its --instance name, 1 after everything else, 130 where even the second stop was not awaited.
 */
import path from 'node:path';
import { createSupervisor, createSupervisors, type SupervisorHandle } from '../src/actors/index.js';
import { InstanceTaken } from '../src/runtime/errors.js';
import { describeFailure } from './failure.js';
import { openLog, type LogLines } from './log-lines.js';
import { holdPidFile } from './pid-file.js';
import { asUsageError, type Settings } from './settings.js';
import { onSignals } from './signals.js';
import { UsageError } from './values.js';
import { CodeWatch } from './watch.js';

const FAILED = 1;
/** A process manager must not start it again: two of one name would throw each other out by turns. */
const REPLACED = 3;
const KILLED = 130;

/** Resolves with the exit code. @throws UsageError where the supervisor does not take the options. */
export async function runConsumer(settings: Settings): Promise<number> {
  if (settings.pidFile !== undefined) holdPidFile(settings.pidFile);
  const consumer = new Consumer(settings);
  onSignals({
    stop: () => consumer.stop(),
    stopNow: () => consumer.stop(0),
    exit: () => process.exit(KILLED),
    reload: () => consumer.reload(),
  });
  const watch = settings.watch ? new CodeWatch(path.dirname(settings.module), () => consumer.reload()) : undefined;
  return consumer.run().finally(() => watch?.close());
}

class Consumer {
  readonly #settings: Settings;
  #supervisor: SupervisorHandle | undefined;
  #log: LogLines | undefined;
  /** Only then there is something to go on with. */
  #isRunning = false;
  #wish: 'stop' | 'restart' | undefined;
  /** Seconds; undefined: as the options say. */
  #grace: number | undefined;
  #fault: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  async run(): Promise<number> {
    for (let first = true; ; first = false) {
      const log = (this.#log = openLog(this.#settings.log));
      if (first) for (const note of this.#settings.notes) log.logger.warn(note);
      const code = await this.#runOnce(log).finally(() => log.close());
      if (code !== undefined) return code;
    }
  }

  /** Asked for again with less patience, it counts for a stop that is under way. */
  stop(grace?: number): void {
    this.#wish = 'stop';
    this.#grace = grace;
    this.#wake();
    if (grace !== undefined) this.#supervisor?.stop({ grace }).catch(() => undefined);
  }

  /** What it comes to is in the log. */
  reload(): void {
    if (this.#wish === 'stop') return;
    if (this.#isRunning) {
      this.#log?.reopen();
      this.#supervisor?.reload().catch(() => undefined);
      return;
    }
    this.#wish = 'restart';
    this.#wake();
  }

  /** undefined: once more. */
  async #runOnce(log: LogLines): Promise<number | undefined> {
    const { logger } = log;
    const wished = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const supervisor = this.#make(log);
    const started = supervisor.start();
    try {
      // A wish may come before it has started: then there is nothing to wait for.
      await Promise.race([started, wished]);
      this.#isRunning = this.#wish === undefined;
      if (this.#isRunning) await wished;
      else started.catch(() => undefined);
    } catch (error) {
      logger.debug(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return this.#fail(describeFailure(error, this.#settings.module));
    }
    this.#isRunning = false;
    if (this.#wish === 'restart') logger.info('restarting: the module is loaded anew');
    try {
      await supervisor.stop(this.#grace === undefined ? {} : { grace: this.#grace });
    } catch (error) {
      return this.#fail(`the stop failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (this.#fault !== undefined) {
      return this.#fail(`the consumer could not go on: ${this.#fault.message}`, this.#fault instanceof InstanceTaken ? REPLACED : FAILED);
    }
    if (this.#wish === 'stop') return 0;
    this.#wish = undefined;
    return undefined;
  }

  #make(log: LogLines): SupervisorHandle {
    const supervisor = this.#create(log);
    supervisor.on('fault', (error) => {
      this.#fault ??= error;
      this.stop();
    });
    this.#supervisor = supervisor;
    return supervisor;
  }

  #create({ logger, output }: LogLines): SupervisorHandle {
    try {
      const options = { ...this.#settings.supervisor, logger, output };
      return this.#settings.all ? createSupervisors(options) : createSupervisor(options);
    } catch (error) {
      throw asUsageError(error) instanceof UsageError ? asUsageError(error) : error;
    }
  }

  #fail(text: string, code = FAILED): number {
    if (this.#settings.log.format === 'json') {
      process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level: 'error', message: text })}\n`);
    } else {
      process.stderr.write(`huey-runtime: ${text}\n`);
    }
    return code;
  }
}
