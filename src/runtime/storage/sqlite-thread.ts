/**
 * The storage thread. Its duties:
 *  1. opens the file at the first call, and again where that was refused;
 *  2. runs what arrives: reads at once; writes in one transaction for all that came while the last one ran, each call
 *     behind a savepoint of its own, the enqueues merged into one. It answers after the commit;
 *  3. where another process writes, tries again by a timer, never inside SQLite, until a call is COMMAND_TIMEOUT_MS old;
 *  4. keeps the one step that waits for something to take, and tells of ends, due dates and events.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HueyException, StorageRefused, StorageUnavailable } from '../errors.js';
import { COMMAND_TIMEOUT_MS } from '../limits.js';
import type { ChordPlan, EnqueueItem, StepCall } from '../storage.js';
import { SqlError } from './sqlite-driver.js';
import { explain } from './sqlite-explain.js';
import { READS, SqliteEngine, WRITES, type Verb } from './sqlite-engine.js';
import { Listener } from './sqlite-listener.js';
import { WriteNotice } from './sqlite-notice.js';
import type { Call, Reply, ThreadData, ToThread } from './sqlite-protocol.js';
import { packError } from './sqlite-protocol.js';
import { isToolVerb } from './sqlite-tools.js';
import { Watched } from './sqlite-waiting.js';

/** The number of a call that renews a listener; nobody waits for it. */
const RENEWAL = -1;
/** Calls in one transaction. */
const BATCH_CALLS = 256;
const RETRY_MIN_MS = 1;
const RETRY_MAX_MS = 10;
const RETRY_GROWTH = 1.3;
const TIMER_MAX_MS = 2 ** 31 - 1;

interface Arrived extends Call {
  deadlineAt: number;
  waitUntil: number;
  /** A wait that is over: step even where nothing is found. */
  waitIsOver?: boolean;
}

type EnqueueArguments = readonly [items: readonly EnqueueItem[], chords?: readonly ChordPlan[]];

class StorageThread {
  readonly #port: MessagePort;
  readonly #data: ThreadData;
  readonly #watched: Watched;
  readonly #listener: Listener;
  #engine: SqliteEngine | undefined;
  #notice: WriteNotice | undefined;
  #queue: Arrived[] = [];
  #isRunning = false;
  #isClosing = false;
  #waiting: { call: Arrived; timer: NodeJS.Timeout } | undefined;

  constructor(port: MessagePort, data: ThreadData) {
    this.#port = port;
    this.#data = data;
    this.#watched = new Watched((message) => port.postMessage(message));
    this.#listener = new Listener(
      (message) => port.postMessage(message),
      (name) => {
        this.#accept({ calls: [{ number: RENEWAL, verb: 'listenToEvents', args: [name, true] }] });
        void this.#run();
      },
    );
    port.on('message', (message: ToThread) => {
      this.#accept(message);
      // What has arrived meanwhile goes into the same transaction.
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
        this.#accept(next.message as ToThread);
      }
      void this.#run();
    });
  }

  #accept({ calls, unwatch, interrupt, tellConsumer, close }: ToThread): void {
    const now = performance.now();
    for (const call of calls ?? []) {
      this.#queue.push({ ...call, deadlineAt: now + COMMAND_TIMEOUT_MS, waitUntil: now + (call.waitMs ?? 0) });
    }
    if (unwatch !== undefined) this.#watched.remove(unwatch);
    if (tellConsumer !== undefined) this.#watched.tellConsumer = tellConsumer;
    if (interrupt === true) this.#endWait();
    if (close === true) this.#isClosing = true;
    this.#adjustNotice();
  }

  /** Works until nothing is left. Never rejects: every error goes to the call that it belongs to. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_CALLS);
      const engine = await this.#open(batch);
      if (engine === undefined) continue;
      const writes = batch.filter((call) => isWrite(call.verb) && !this.#waits(engine, call));
      await this.#read(engine, batch);
      await this.#write(engine, writes);
    }
    this.#isRunning = false;
    if (this.#isClosing) this.#close();
  }

  /** Undefined where the calls were answered with an error. */
  async #open(batch: Arrived[]): Promise<SqliteEngine | undefined> {
    if (this.#engine !== undefined) return this.#engine;
    const { queue, filename, clock } = this.#data;
    const now = clock === undefined ? Date.now : () => Number(Atomics.load(clock, 0));
    const engine = await this.#untilFree(batch, async () => {
      await mkdir(dirname(filename), { recursive: true });
      return SqliteEngine.open(queue, filename, now);
    });
    if (engine === undefined) return undefined;
    this.#engine = engine;
    this.#notice = new WriteNotice(
      filename,
      () => engine.dataVersion(),
      () => this.#lookAgain(engine),
    );
    this.#adjustNotice();
    return engine;
  }

  // --- reads ---

  async #read(engine: SqliteEngine, batch: readonly Arrived[]): Promise<void> {
    for (const call of batch) {
      if (isWrite(call.verb)) continue;
      const reply = await this.#untilFree([call], () => ({ number: call.number, value: this.#readOne(engine, call) }));
      if (reply !== undefined) this.#answer([reply]);
    }
  }

  #readOne(engine: SqliteEngine, { verb, args }: Call): unknown {
    if (verb === 'open') return null;
    if (verb === 'watch') {
      this.#watched.add(args[0] as readonly string[]);
      this.#adjustNotice();
      return null;
    }
    if (!READS.includes(verb)) throw new StorageRefused(`the storage has no verb ${verb}`);
    return callVerb(engine, verb, args);
  }

  // --- writes ---

  async #write(engine: SqliteEngine, calls: Arrived[]): Promise<void> {
    if (calls.length === 0) return;
    engine.effects.watching = this.#watched.hasIds;
    const begun = await this.#untilFree(calls, () => {
      engine.begin();
      return true;
    });
    if (begun !== true) return;
    let replies: Reply[];
    try {
      replies = this.#inTransaction(engine, calls);
    } catch (error) {
      engine.rollback();
      if (calls.length === 1) return this.#fail(calls, error, false);
      // SQLite itself failed, for one of them. Each by itself, so that only that one suffers.
      for (const call of calls) await this.#write(engine, [call]);
      return;
    }
    try {
      engine.commit();
    } catch (error) {
      engine.rollback();
      return this.#fail(calls, error, true);
    }
    this.#answer(replies);
    const again = calls.filter((call) => isWait(call) && !replies.some(({ number }) => number === call.number));
    if (again.length > 0) this.#queue.push(...again);
    this.#watched.afterOwn(engine, engine.effects);
    const { grew, published } = engine.effects;
    engine.effects.clear();
    this.#switchListener(engine, calls, replies);
    if (grew) this.#lookForWork(engine);
    if (published) this.#listener.look(engine);
  }

  /** @throws what SQLite throws; errors of single calls become their replies. */
  #inTransaction(engine: SqliteEngine, calls: readonly Arrived[]): Reply[] {
    const enqueues = calls.filter(({ verb }) => verb === 'enqueue');
    const stored = enqueues.length === 0 ? [] : engine.enqueueAll(enqueues.map(({ args }) => args as EnqueueArguments));
    const replies: Reply[] = enqueues.map(({ number }, at) => {
      const value = stored[at];
      return value instanceof Error ? { number, error: packError(value) } : { number, value };
    });
    for (const call of calls) {
      if (call.verb === 'enqueue') continue;
      engine.savepoint();
      try {
        // Another consumer was faster: no reply, the wait goes on.
        if (isWait(call) && engine.findsNothing(call.args[0] as StepCall)) {
          engine.releaseSavepoint();
          continue;
        }
        const value = callVerb(engine, call.verb as Verb, call.args);
        engine.releaseSavepoint();
        replies.push({ number: call.number, value });
      } catch (error) {
        if (!(error instanceof HueyException)) throw error;
        engine.rollbackToSavepoint();
        replies.push({ number: call.number, error: packError(error) });
      }
    }
    return replies;
  }

  #switchListener(engine: SqliteEngine, calls: readonly Arrived[], replies: readonly Reply[]): void {
    for (const { verb, number, args } of calls) {
      const reply = verb === 'listenToEvents' ? replies.find((one) => one.number === number) : undefined;
      if (reply === undefined || 'error' in reply) continue;
      // It was switched off while the renewal was on its way: the row ends by itself.
      if (number === RENEWAL && !this.#listener.isOn) continue;
      this.#listener.switched(String(args[0]), args[1] === true, reply.value as { seq: number; wasThere: boolean });
      this.#adjustNotice();
      // First the notice, then the look: what is written between the two is seen by both.
      this.#listener.look(engine);
    }
  }

  // --- the step that waits ---

  /** True where the call is a wait that has to go on. */
  #waits(engine: SqliteEngine, call: Arrived): boolean {
    if (!isWait(call)) return false;
    try {
      // First the notice, then the look: what is written between the two is seen by both.
      this.#notice?.start();
      if (!engine.findsNothing(call.args[0] as StepCall)) return false;
    } catch {
      // The step itself finds the same error, and reports it.
      return false;
    }
    const waitMs = call.waitUntil - performance.now();
    const timer = setTimeout(() => this.#endWait(), Math.min(Math.max(0, waitMs), TIMER_MAX_MS));
    this.#waiting = { call, timer };
    return true;
  }

  #endWait(): void {
    if (this.#waiting !== undefined) this.#waiting.call.waitIsOver = true;
    for (const call of this.#queue) if (call.waitMs !== undefined) call.waitIsOver = true;
    this.#resumeWait();
  }

  #resumeWait(): void {
    if (this.#waiting === undefined) return;
    const { call, timer } = this.#waiting;
    clearTimeout(timer);
    this.#waiting = undefined;
    call.deadlineAt = performance.now() + COMMAND_TIMEOUT_MS;
    this.#queue.push(call);
    this.#adjustNotice();
    void this.#run();
  }

  #lookForWork(engine: SqliteEngine): void {
    if (this.#waiting === undefined) return;
    try {
      if (engine.findsNothing(this.#waiting.call.args[0] as StepCall)) return;
    } catch {
      // The step itself finds the same error, and reports it.
    }
    this.#resumeWait();
  }

  // --- others ---

  /** Another connection has written. */
  #lookAgain(engine: SqliteEngine): void {
    this.#lookForWork(engine);
    this.#listener.look(engine);
    try {
      this.#watched.afterOthers(engine);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      // Another process is in the way; whoever waits looks again by itself from time to time.
    }
  }

  #adjustNotice(): void {
    if (this.#waiting === undefined && this.#watched.isEmpty && !this.#listener.isOn) this.#notice?.stop();
    else this.#notice?.start();
  }

  #close(): void {
    if (this.#waiting !== undefined) {
      clearTimeout(this.#waiting.timer);
      const error = packError(new StorageUnavailable(`sqlite:${this.#data.filename} is closed`));
      this.#answer([{ number: this.#waiting.call.number, error }]);
      this.#waiting = undefined;
    }
    this.#notice?.stop();
    this.#watched.stop();
    this.#listener.stop();
    this.#engine?.close();
    this.#engine = undefined;
    this.#port.close();
  }

  /**
   * Tries until no other process is in the way. Calls that get too old meanwhile are answered and leave the list;
   * undefined where none is left, or where all were answered with an error. Reads that arrive go on.
   */
  async #untilFree<T>(calls: Arrived[], attempt: () => T | Promise<T>): Promise<T | undefined> {
    for (let delayMs = RETRY_MIN_MS; ; delayMs = Math.min(delayMs * RETRY_GROWTH, RETRY_MAX_MS)) {
      try {
        return await attempt();
      } catch (error) {
        const isBusy = error instanceof SqlError && error.kind === 'busy';
        const now = performance.now();
        const over = calls.filter(({ deadlineAt }) => !isBusy || now > deadlineAt);
        this.#fail(over, error, false);
        const left = calls.filter((call) => !over.includes(call));
        calls.splice(0, calls.length, ...left);
        if (left.length === 0) return undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs * (0.5 + Math.random() / 2)));
      if (this.#engine !== undefined && calls.some(({ verb }) => isWrite(verb))) await this.#readMeanwhile(this.#engine);
    }
  }

  async #readMeanwhile(engine: SqliteEngine): Promise<void> {
    const reads = this.#queue.filter(({ verb }) => !isWrite(verb));
    if (reads.length === 0) return;
    this.#queue = this.#queue.filter(({ verb }) => isWrite(verb));
    await this.#read(engine, reads);
  }

  #fail(calls: readonly Arrived[], error: unknown, outcomeUnknown: boolean): void {
    this.#answer(calls.map(({ number }) => ({ number, error: packError(explain(error, this.#data.filename, outcomeUnknown)) })));
  }

  #answer(replies: Reply[]): void {
    if (replies.length > 0) this.#port.postMessage({ replies });
  }
}

function isWrite(verb: Call['verb']): boolean {
  return (WRITES as readonly string[]).includes(verb);
}

function callVerb(engine: SqliteEngine, verb: Verb, args: readonly unknown[]): unknown {
  const target = isToolVerb(verb) ? engine.tools : engine;
  // The arguments were typed where the call was made, and the verbs check them.
  return (target as unknown as Record<Verb, (...values: readonly unknown[]) => unknown>)[verb](...args);
}

/** A wait that may go on where nothing is found. */
function isWait(call: Arrived): boolean {
  return call.waitMs !== undefined && call.waitIsOver !== true;
}

if (parentPort !== null) new StorageThread(parentPort, workerData as ThreadData);
