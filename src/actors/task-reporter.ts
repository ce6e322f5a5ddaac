/** Tells, in log lines and events, what became of tasks. Ids, names and errors; never arguments or results. */
import type { EventEmitter } from 'node:events';
import type { Decision, ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import { SECOND_MS } from '../runtime/limits.js';
import { decodeHead, type Head } from '../runtime/message.js';
import type { Dropped } from '../runtime/storage.js';
import type { Lane } from './lane.js';
import { silentLogger, type Logger } from './log.js';
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

  /** `runs` is slot, ms, slot, ms, ... */
  finished(lane: Lane, runs: readonly number[]): void {
    for (let i = 0; i + 1 < runs.length; i += 2) {
      this.#completed(decodeHead(lane.message(runs[i] ?? 0)), runs[i + 1] ?? 0);
    }
  }

  dropped(dropped: readonly Dropped[]): void {
    for (const { id, name, state } of dropped) {
      this.#log.info(`${name === '' ? 'a message' : name} was not started: ${state}`, { id });
      this.#emitter.emit(state, { task: { id, name } });
    }
  }

  /** `ranMs`: where anybody wants to know. */
  decided(head: Head | undefined, { signal, delayMs }: Decision, outcome: Outcome, ranMs?: number): void {
    const name = head?.name ?? 'a message';
    const task = { id: head?.id ?? '', name };
    const fields = { id: task.id, attempt: (head?.attempts ?? 0) + 1 };
    const error = 'error' in outcome ? textOf(outcome.error) : 'reason' in outcome ? outcome.reason : undefined;
    const delay = (delayMs ?? 0) / SECOND_MS;
    switch (signal) {
      case 'error':
        this.#log.error(`${name} failed`, { ...fields, error });
        this.#emitter.emit('failed', { task, error: error ?? '' });
        break;
      case 'locked':
      case 'rate-limited':
        this.#log.warn(`${name} did not run: ${signal}`, { ...fields, error });
        this.#emitter.emit('failed', { task, error: error ?? '' });
        break;
      case 'timeout':
        this.#log.error(`${name} ran over its timeout and was stopped`, fields);
        this.#emitter.emit('timeout', { task });
        break;
      case 'retrying':
        this.#log.warn(`${name} will be tried again`, { ...fields, in: `${delay}s`, error });
        this.#emitter.emit('retrying', { task, delay, error: error ?? '' });
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
        if (head !== undefined && ranMs !== undefined) this.#completed(head, ranMs);
        break;
      case 'released':
        break;
    }
  }

  #completed({ id, name }: Head, ranMs: number): void {
    const duration = ranMs / SECOND_MS;
    this.#log.debug(`${name} done`, { id, seconds: Number(duration.toFixed(4)) });
    this.#emitter.emit('complete', { task: { id, name }, duration });
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
