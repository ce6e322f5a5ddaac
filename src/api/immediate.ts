/**
 * Immediate mode: a queue in memory that runs what is enqueued before it answers, for tests. It is a consumer of its
 * own, with the very runner, rules and serializer of the real one: retries, links between tasks, chords, locks, marks,
 * signals and hooks work. Where it differs:
 *  1. A retry does not wait for its delay. What is refused by a rate limit does: it goes into the schedule.
 *  2. What is scheduled stays in the schedule; nobody promotes it.
 *  3. What runs over its timeout or is canceled is given up when its grace is over, but no thread ends.
 */
import type { CancelState, WaitingMessage } from '../runtime/canceling.js';
import { droppedOutcome } from '../runtime/dropped.js';
import { errorInfo, fromErrorData } from '../runtime/error-data.js';
import { TaskCanceled, TaskTimeout } from '../runtime/errors.js';
import { buryUnreadable, decide, type Decision, type Outcome } from '../runtime/lifecycle.js';
import { DAY_MS, SECOND_MS, TIMEOUT_GRACE_MS } from '../runtime/limits.js';
import { decodeHead, idOf, SEPARATOR, type Head, type Message } from '../runtime/message.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import { signalsOf } from '../runtime/signals.js';
import type { ChordPlan, Dropped, EnqueueItem, EnqueueReply, StepReply, Transition } from '../runtime/storage.js';
import { MemoryStorage, type MemoryOptions } from '../runtime/storage/memory.js';
import type { HueyCore } from '../runtime/worker-context.js';
import { eventStatusesOf, taskEvent } from './event.js';
import { EventPublisher } from './events.js';
import type { Hooks } from './hooks.js';
import type { RunOwner } from './running-task.js';
import { ScheduleNews } from './schedule-news.js';
import { chunkParser, TaskRunner } from './task-runner.js';

const CONSUMER = 'immediate';
/** Runs of one invocation that spent no retry (RetryTask): what asks for more goes into the schedule, or it would never end. */
export const FREE_RETRIES_MAX = 100;
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface ImmediateCore extends HueyCore {
  readonly hooks: Hooks;
}

export class ImmediateStorage extends MemoryStorage {
  readonly #huey: ImmediateCore;
  readonly #runner: TaskRunner;
  readonly #events: EventPublisher;
  readonly #scheduled: ScheduleNews;
  /** What is being run, and when the one who runs it is through with everything. */
  readonly #taken = new Map<string, Promise<void>>();
  readonly #watches = new Map<string, RunWatch>();
  readonly #freeRetries = new Map<string, number>();
  #seq = 0;

  constructor(huey: ImmediateCore, options: MemoryOptions = {}) {
    // A task that calls another one of its key waits for it here: there is nobody else to run it.
    super(huey.name, { ...options, countsKeys: false });
    this.#huey = huey;
    this.#runner = new TaskRunner(huey, { storage: this, consumer: CONSUMER });
    this.#events = new EventPublisher(this);
    this.#scheduled = new ScheduleNews(huey.codec);
  }

  /** Answers once everything that is ready has run, also what followed from it. */
  override async enqueue(items: readonly EnqueueItem[], chords: readonly ChordPlan[] = []): Promise<EnqueueReply> {
    const reply = await super.enqueue(items, chords);
    this.#scheduled.tell(items, reply, this);
    await this.#huey.hooks.emitEnqueued(items, reply, this.#huey.codec);
    await this.#runReady();
    // Somebody else, who enqueued at the same time, may have taken one of these. This cannot end in a circle: who waits
    // for something takes nothing meanwhile, so each waits only for those that began to wait later.
    for (const { text } of items) await this.#taken.get(idOf(text));
    return reply;
  }

  override async cancel(id: string): Promise<CancelState> {
    const state = await super.cancel(id);
    this.#watches.get(id)?.cancel();
    return state;
  }

  /** Answers once what followed from it has run, such as the callback of a chord. */
  override async endWaiting(message: WaitingMessage, transition: Transition): Promise<boolean> {
    const ended = await super.endWaiting(message, transition);
    if (ended) await this.#runReady();
    return ended;
  }

  async #runReady(): Promise<void> {
    await this.register(CONSUMER, DAY_MS);
    let through: () => void = () => undefined;
    const done = new Promise<void>((resolve) => (through = resolve));
    const ids: string[] = [];
    try {
      for (let reply = await this.#lease(); reply !== undefined; reply = await this.#lease()) {
        for (const dropped of reply.dropped) await this.#drop(dropped, reply.now);
        const text = reply.solo ?? reply.chunks[0]?.text;
        if (text === undefined) continue;
        const id = idOf(text);
        ids.push(id);
        this.#taken.set(id, done);
        await this.#runOne(text, reply.now - Date.now());
      }
    } finally {
      for (const id of ids) if (this.#taken.get(id) === done) this.#taken.delete(id);
      through();
    }
  }

  async #runOne(text: string, skewMs: number): Promise<void> {
    const { codec, registry } = this.#huey;
    let message: Message;
    try {
      message = codec.decodeMessage(text);
    } catch (error) {
      await this.#commit(buryUnreadable(text, errorInfo(error).message).transition);
      return;
    }
    const now = Date.now() + skewMs;
    this.#events.publish(() => taskEvent('started', message, now));
    const watch = new RunWatch(message.head, registry.get(message.head.name)?.settings.graceMs ?? TIMEOUT_GRACE_MS);
    const parts = chunkParser(text, 1, SEPARATOR, codec)(0);
    this.#watches.set(message.head.id, watch);
    const outcome = await this.#runner.run(parts, watch, skewMs);
    this.#watches.delete(message.head.id);
    const stopped = watch.end();
    await this.#settle(text, message, stopped ?? outcome, Date.now() + skewMs, { wallMs: watch.elapsedMs });
  }

  async #settle(text: string, message: Message, outcome: Outcome, now: number, ran?: RunFigures): Promise<void> {
    const { settings, codec } = this.#huey;
    const decision = decide(text, message, outcome, {
      now,
      resultTtlMs: settings.resultTtlMs,
      intermediateErrors: settings.storeIntermediateErrors ?? false,
      codec,
    });
    const transition = this.#withoutDelay(message.head, outcome, decision.transition);
    await this.#commit(transition);
    await this.#tell(message, outcome, { ...decision, transition }, now, ran);
  }

  /** A retry is due at once. */
  #withoutDelay(head: Head, outcome: Outcome, transition: Transition): Transition {
    if (transition.kind !== 'requeue') {
      this.#freeRetries.delete(head.id);
      return transition;
    }
    if (outcome.kind === 'rate-limited' || outcome.kind === 'unknown-task') return transition;
    if (decodeHead(transition.text).retries < head.retries) return { ...transition, delayMs: 0 };
    const free = (this.#freeRetries.get(head.id) ?? 0) + 1;
    this.#freeRetries.set(head.id, free);
    return { ...transition, delayMs: free <= FREE_RETRIES_MAX ? 0 : Math.max(SECOND_MS, transition.delayMs) };
  }

  async #tell(message: Message, outcome: Outcome, decision: Decision, now: number, ran: RunFigures | undefined): Promise<void> {
    const { hooks, codec } = this.#huey;
    const { head, body } = message;
    const info = 'error' in outcome ? outcome.error : undefined;
    const extras = { ...(info === undefined ? {} : { error: info }), ...(ran === undefined ? {} : { ran }) };
    for (const status of eventStatusesOf(outcome, decision)) this.#events.publish(() => taskEvent(status, message, now, extras));
    const signals = signalsOf(outcome, decision).filter((signal) => hooks.wants(signal));
    if (signals.length === 0) return;
    const task = { id: head.id, name: head.name, args: codec.decodeArgs(body.args), meta: body.meta ?? {} };
    const error = info === undefined ? undefined : fromErrorData(info);
    for (const signal of signals) await hooks.emit(signal, task, error);
  }

  /** It is revoked or has expired. */
  async #drop({ state, text }: Dropped, now: number): Promise<void> {
    // What cannot be read was put aside by the storage.
    if (text === undefined) return;
    await this.#settle(text, this.#huey.codec.decodeMessage(text), droppedOutcome(state), now);
  }

  /** One task, or what was dropped; undefined where nothing is ready. */
  async #lease(): Promise<StepReply | undefined> {
    const reply = await this.#step([], 1);
    return reply.chunks.length > 0 || reply.solo !== undefined || reply.dropped.length > 0 ? reply : undefined;
  }

  async #commit(transition: Transition): Promise<void> {
    await this.#step([transition], 0);
  }

  #step(transitions: Transition[], chunks: number): Promise<StepReply> {
    return this.step({
      consumer: CONSUMER,
      lane: 1,
      seq: ++this.#seq,
      completions: [],
      transitions,
      chunks,
      chunkSize: 1,
      solo: chunks > 0,
      handOver: true,
    });
  }
}

/** The time of one run. */
class RunWatch implements RunOwner {
  elapsedMs = 0;
  /** With all that the process does. */
  readonly shared = true;
  dueAt: number | undefined;
  readonly #head: Head;
  readonly #graceMs: number;
  readonly #startedAt = performance.now();
  readonly #timers: NodeJS.Timeout[] = [];
  #canceled = false;
  #abort: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(head: Head, graceMs: number) {
    this.#head = head;
    this.#graceMs = graceMs;
  }

  /** Its signal fires, and after its grace nobody waits for it any more. */
  cancel(): void {
    if (this.#canceled) return;
    this.#canceled = true;
    this.#abort();
    this.#timers.push(setTimeout(() => this.#fail(this.#error()), this.#graceMs));
  }

  canceled(): boolean {
    return this.#canceled;
  }

  stopped(): boolean {
    if (this.#canceled) return true;
    return this.#head.timeoutMs > 0 && performance.now() - this.#startedAt >= this.#head.timeoutMs;
  }

  onAbort(abort: () => void): void {
    this.#abort = abort;
    this.#at(0, abort);
  }

  /** Rejects when the grace is over as well. */
  failure(): Promise<never> {
    return new Promise((_, reject) => {
      this.#fail = reject;
      this.#at(this.#graceMs, () => reject(this.#error()));
    });
  }

  /** The outcome where it ran over its time, whatever it returned. */
  end(): Outcome | undefined {
    for (const timer of this.#timers) clearTimeout(timer);
    this.elapsedMs = performance.now() - this.#startedAt;
    if (this.#canceled) return droppedOutcome('canceled');
    if (!this.stopped()) return undefined;
    return { kind: 'timeout', error: { name: 'TaskTimeout', message: 'the task ran over its timeout', code: 'timeout' } };
  }

  #at(afterMs: number, run: () => void): void {
    const { timeoutMs } = this.#head;
    if (timeoutMs > 0) this.#timers.push(setTimeout(run, Math.min(TIMER_MAX_MS, timeoutMs + afterMs)));
  }

  #error(): Error {
    const { id, name, retries } = this.#head;
    if (this.#canceled) return new TaskCanceled(id);
    return new TaskTimeout({ error: `task ${name} ran over its timeout`, retries, taskId: id, willRetry: retries > 0 });
  }
}
