/** Tells, in log lines and events, what became of tasks. Ids, names and errors; never arguments or results. */
import type { EventEmitter } from 'node:events';
import type { Decision, ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import { SECOND_MS } from '../runtime/limits.js';
import { decodeHead, type Head } from '../runtime/message.js';
import { taskAccounts, type RunFigures } from '../runtime/run-accounts.js';
import type { Dropped } from '../runtime/storage.js';
import type { Lane } from './lane.js';
import { silentLogger, type Logger } from './log.js';
import type { FinishedRun } from './protocol.js';
import type { SupervisorEvents } from './supervisor-events.js';

/** Names of unknown tasks that are remembered, so that each is told once. */
const UNKNOWN_MAX = 1000;

export class TaskReporter {
  readonly #emitter: EventEmitter<SupervisorEvents>;
  readonly #log: Logger;
  readonly #unknown = new Set<string>();

  constructor(emitter: EventEmitter<SupervisorEvents>, log: Logger) {
    this.#emitter = emitter;
    this.#log = log;
  }

  /** Telling of each completion costs a look into every message; it is done only where somebody listens. */
  get wantsCompletions(): boolean {
    return this.#emitter.listenerCount('complete') > 0 || this.#log.debug !== silentLogger.debug;
  }

  finished(lane: Lane, runs: readonly FinishedRun[]): void {
    for (const run of runs) this.#completed(decodeHead(lane.message(run.slot)), run);
  }

  dropped(dropped: readonly Dropped[]): void {
    for (const { id, name, state } of dropped) {
      this.#log.info(`${name === '' ? 'a message' : name} was not started: ${state}`, { id });
      this.#emitter.emit(state, { task: { id, name } });
    }
  }

  /** `ran`: where it is known. */
  decided(head: Head | undefined, { signal, delayMs }: Decision, outcome: Outcome, ran?: RunFigures): void {
    const name = head?.name ?? 'a message';
    const task = { id: head?.id ?? '', name };
    const fields = { id: task.id, attempt: (head?.attempts ?? 0) + 1 };
    const error = 'error' in outcome ? textOf(outcome.error) : 'reason' in outcome ? outcome.reason : undefined;
    const delay = (delayMs ?? 0) / SECOND_MS;
    const accounts = head === undefined || ran === undefined ? {} : { accounts: taskAccounts(ran, head) };
    switch (signal) {
      case 'error':
        this.#log.error(`${name} failed`, { ...fields, error });
        this.#emitter.emit('failed', { task, error: error ?? '', ...accounts });
        break;
      case 'locked':
      case 'rate-limited':
        this.#log.warn(`${name} did not run: ${signal}`, { ...fields, error });
        this.#emitter.emit('failed', { task, error: error ?? '', ...accounts });
        break;
      case 'timeout':
        this.#log.error(`${name} ran over its timeout and was stopped`, { ...fields, at: firstFrame(outcome) });
        this.#emitter.emit('timeout', { task, ...accounts });
        break;
      case 'retrying':
        this.#log.warn(`${name} will be tried again`, {
          ...fields,
          in: `${delay}s`,
          error,
          at: outcome.kind === 'timeout' ? firstFrame(outcome) : undefined,
        });
        this.#emitter.emit('retrying', { task, delay, error: error ?? '', ...accounts });
        break;
      case 'crashed':
        this.#log.warn(`${name} took its thread down and runs again`, { ...fields, error });
        break;
      case 'dead':
        this.#log.error(`${name} was put aside as dead`, { ...fields, error });
        this.#emitter.emit('dead', { task });
        break;
      case 'unknown':
        this.#unknownOnce(name);
        break;
      case 'canceled':
      case 'interrupted':
      case 'expired':
      case 'revoked':
        this.#log.info(`${name}: ${signal}`, fields);
        this.#emitter.emit(signal, { task });
        break;
      case 'complete':
        if (head !== undefined && ran !== undefined) this.#completed(head, ran);
        break;
      case 'released':
        break;
    }
  }

  #completed(head: Head, ran: RunFigures): void {
    const { id, name } = head;
    const accounts = taskAccounts(ran, head);
    const duration = accounts.wall;
    const cpu = accounts.cpu === undefined ? {} : { cpu: Number(accounts.cpu.toFixed(4)) };
    const wait = accounts.wait === undefined ? {} : { wait: Number(accounts.wait.toFixed(4)) };
    this.#log.debug(`${name} done`, { id, seconds: Number(duration.toFixed(4)), ...cpu, ...wait });
    this.#emitter.emit('complete', { task: { id, name }, duration, accounts });
  }

  #unknownOnce(name: string): void {
    if (this.#unknown.has(name) || this.#unknown.size >= UNKNOWN_MAX) return;
    this.#unknown.add(name);
    this.#log.warn(`no task "${name}" in this module; its calls wait for a consumer that knows it, at most an hour`);
  }
}

export function textOf({ name, message }: ErrorInfo): string {
  return message === '' ? name : `${name}: ${message}`;
}

/** Where it was, as far as its stack says. */
function firstFrame(outcome: Outcome): string | undefined {
  const stack = 'error' in outcome ? outcome.error.stack : undefined;
  return /^ +(?:at )?(.+)$/m.exec(stack ?? '')?.[1];
}
