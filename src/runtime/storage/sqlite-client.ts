/**
 * The calling thread's end of the storage thread: starts it at the first call, keeps the process alive only while a
 * call is under way, an id is watched or events are listened to, gives every call an answer in bounded time, whatever becomes of the thread.
 */
import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { StorageUnavailable } from '../errors.js';
import { COMMAND_TIMEOUT_MS, SECOND_MS } from '../limits.js';
import type { ArgumentsOf, Call, FromThread, ReplyOf, ThreadData, ToThread } from './sqlite-protocol.js';
import { unpackError } from './sqlite-protocol.js';
import type { Verb } from './sqlite-engine.js';

/** The thread answers within COMMAND_TIMEOUT_MS; this much later it counts as stuck. */
const STUCK_MS = 2 * SECOND_MS;
const WATCHDOG_MS = SECOND_MS / 2;
/** Between the end of a thread and the start of another for who only listens. */
const RESTART_MS = SECOND_MS;

interface Pending {
  consumer: string;
  deadlineAt: number;
  /** Seen too late once. A loop that was blocked gets the chance to read the answers that are there. */
  late: boolean;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

export interface ClientEvents {
  onEnded: (ended: { id: string; record?: string }[]) => void;
  onScheduled: () => void;
  onCancel: (ids: string[]) => void;
  onReload: (reloads: number) => void;
  onEvents: (events: string[], gap: boolean) => void;
  onOutage: (lost: boolean, error?: Error) => void;
}

export class SqliteClient {
  readonly #data: ThreadData;
  readonly #events: ClientEvents;
  readonly #pending = new Map<number, Pending>();
  readonly #watched = new Set<string>();
  #tellConsumer = false;
  /** Under which it listens to events, undefined while it does not. */
  #listener: string | undefined;
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #outage = false;
  #closing = false;
  #number = 0;
  /** Calls of this turn of the loop: they leave in one message. */
  #outbox: Call[] = [];
  #transfers: ArrayBuffer[] = [];
  #watchdog: NodeJS.Timeout | undefined;

  constructor(data: ThreadData, events: ClientEvents) {
    this.#data = data;
    this.#events = events;
  }

  call<V extends Verb>(
    verb: V,
    args: ArgumentsOf<V>,
    options: { consumer?: string; waitMs?: number; transfer?: ArrayBuffer } = {},
  ): Promise<ReplyOf<V>> {
    return this.#send(verb, args, options) as Promise<ReplyOf<V>>;
  }

  async open(): Promise<void> {
    await this.#send('open', [], {});
  }

  async watch(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#watched.add(id);
    await this.#send('watch', [ids], {});
  }

  unwatch(ids: readonly string[]): void {
    for (const id of ids) this.#watched.delete(id);
    this.#post({ unwatch: ids });
    this.#holdProcess();
  }

  interrupt(): void {
    // Calls of this turn leave first, the one to be interrupted may be among them.
    this.#flush();
    this.#post({ interrupt: true });
  }

  tellConsumer(on: boolean): void {
    this.#tellConsumer = on;
    this.#post({ tellConsumer: on });
  }

  async listenToEvents(on: boolean): Promise<void> {
    const listener = this.#listener ?? randomUUID();
    if (!on && this.#listener === undefined) return;
    this.#listener = on ? listener : undefined;
    await this.#send('listenToEvents', [listener, on], {});
  }

  /** What is under way is answered first; a wait is given up. */
  async close(): Promise<void> {
    this.#listener = undefined;
    if (this.#worker === undefined) return this.#exited;
    this.#flush();
    this.#closing = true;
    this.#worker.ref();
    this.#post({ close: true });
    await this.#exited;
  }

  #send(
    verb: Call['verb'],
    args: readonly unknown[],
    options: { consumer?: string; waitMs?: number; transfer?: ArrayBuffer },
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const number = ++this.#number;
      const deadlineAt = performance.now() + (options.waitMs ?? 0) + COMMAND_TIMEOUT_MS + STUCK_MS;
      this.#pending.set(number, { consumer: options.consumer ?? '', deadlineAt, late: false, resolve, reject });
      if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
      this.#outbox.push({ number, verb, args, ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }) });
      if (options.transfer !== undefined) this.#transfers.push(options.transfer);
      this.#holdProcess();
    });
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const [calls, transfers] = [this.#outbox, this.#transfers];
    this.#outbox = [];
    this.#transfers = [];
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage({ calls } satisfies ToThread, transfers);
    } catch (cause) {
      const message = `the call could not be handed to the storage thread: ${cause instanceof Error ? cause.message : String(cause)}`;
      for (const { number } of calls) this.#settle(number, ({ reject }) => reject(new StorageUnavailable(message, { cause })));
    }
    this.#holdProcess();
  }

  #post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #start(): Worker {
    // No loaders and flags of the application: they would only make the thread slow to start.
    const worker = new Worker(new URL('./sqlite-thread.js', import.meta.url), {
      workerData: this.#data,
      execArgv: [],
      name: 'huey-sqlite',
    });
    let failure: Error | undefined;
    this.#closing = false;
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.on('error', (error) => (failure = error));
    this.#exited = new Promise((resolve) => {
      worker.on('exit', () => {
        if (this.#worker === worker) this.#lost(failure);
        resolve();
      });
    });
    if (this.#tellConsumer) worker.postMessage({ tellConsumer: true } satisfies ToThread);
    if (this.#watched.size > 0) {
      worker.postMessage({ calls: [{ number: 0, verb: 'watch', args: [[...this.#watched]] }] } satisfies ToThread);
    }
    if (this.#listener !== undefined) {
      worker.postMessage({ calls: [{ number: 0, verb: 'listenToEvents', args: [this.#listener, true] }] } satisfies ToThread);
    }
    return worker;
  }

  #receive({ replies, ended, scheduled, canceled, reloads, events }: FromThread): void {
    if (this.#outage) {
      this.#outage = false;
      this.#events.onOutage(false);
    }
    for (const reply of replies ?? []) {
      this.#settle(reply.number, ({ resolve, reject, consumer }) => {
        if ('error' in reply) reject(unpackError(reply.error, consumer));
        else resolve(reply.value);
      });
    }
    this.#holdProcess();
    if (ended !== undefined) this.#events.onEnded(ended);
    if (scheduled === true) this.#events.onScheduled();
    if (canceled !== undefined) this.#events.onCancel(canceled);
    if (reloads !== undefined) this.#events.onReload(reloads);
    if (events !== undefined) this.#events.onEvents(events.events, events.gap);
  }

  /** The thread has ended: asked to, or because something broke in it. The next call starts another. */
  #lost(failure: Error | undefined): void {
    this.#worker = undefined;
    const error = new StorageUnavailable(
      this.#closing ? `sqlite:${this.#data.filename} is closed` : `the storage thread ended: ${failure?.message ?? 'without an error'}`,
      { outcomeUnknown: !this.#closing, ...(failure === undefined ? {} : { cause: failure }) },
    );
    const unsent = new Set(this.#outbox.map(({ number }) => number));
    for (const number of [...this.#pending.keys()]) if (!unsent.has(number)) this.#settle(number, ({ reject }) => reject(error));
    if (!this.#closing) {
      this.#outage = true;
      this.#events.onOutage(true, error);
      if (this.#listener !== undefined) this.#listenAgain();
    }
    this.#holdProcess();
  }

  /** Who only listens makes no call that would start another thread. */
  #listenAgain(): void {
    this.#events.onEvents([], true);
    setTimeout(() => {
      if (this.#listener === undefined) return;
      // Starting it is enough: it is told of the listener first.
      this.#worker ??= this.#start();
      this.#holdProcess();
    }, RESTART_MS);
  }

  #settle(number: number, act: (pending: Pending) => void): void {
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    this.#pending.delete(number);
    act(pending);
  }

  #holdProcess(): void {
    const isNeeded = this.#pending.size > 0 || this.#watched.size > 0 || this.#listener !== undefined || this.#closing;
    if (isNeeded) this.#worker?.ref();
    else this.#worker?.unref();
    if (this.#pending.size === 0) {
      clearInterval(this.#watchdog);
      this.#watchdog = undefined;
    } else {
      this.#watchdog ??= setInterval(() => this.#bark(), WATCHDOG_MS);
    }
  }

  #bark(): void {
    const now = performance.now();
    for (const [number, pending] of this.#pending) {
      if (now <= pending.deadlineAt) continue;
      if (!pending.late) {
        pending.late = true;
        continue;
      }
      const message = `sqlite:${this.#data.filename} gave no answer in time; the call may have been carried out`;
      this.#settle(number, ({ reject }) => reject(new StorageUnavailable(message, { outcomeUnknown: true })));
    }
    this.#holdProcess();
  }
}
