/**
 * Takes tasks from the storage into the lanes of the places, and what came of them back. Duties:
 *  1. lease for every lane that is free, as long as there is something; where there is nothing, wait for it;
 *  2. hand on completions as bytes, unread, and turn every other outcome into a transition (lifecycle.decide);
 *  3. give away again what was taken back: to a place that is free, else, after HAND_MS, to the storage;
 *  4. run a suspect alone, one at a time (suspects.ts), and a task with a limit of its own (task-limits.ts) no more often at once;
 *  5. after a thread's death, account for each task that it held; end what is canceled (cancels.ts).
 *
 * What is held here and nowhere else is in flight in the storage, under this consumer's name: a death of the process at
 * any point loses none of it. It is worse to lose a task than to run it twice.
 */
import { decodeCompletions } from '../runtime/completion.js';
import { droppedOutcome } from '../runtime/dropped.js';
import type { Outcome } from '../runtime/lifecycle.js';
import { CHUNK_MAX, SECOND_MS } from '../runtime/limits.js';
import { SEPARATOR } from '../runtime/message.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import { signalsOf } from '../runtime/signals.js';
import type { Chunk, StepReply } from '../runtime/storage.js';
import { accountFor } from './accounts.js';
import { Cancels } from './cancels.js';
import { ChunkSizer } from './chunk-sizer.js';
import type { DispatcherEvents, DispatcherOptions } from './dispatcher-options.js';
import { chunksToAsk, freeLanes, hasRoom, type FreeLane, type FreeLanes } from './free-lanes.js';
import { Hand } from './hand.js';
import { heldIds } from './held-ids.js';
import { stoppedOutcome, type Lane } from './lane.js';
import { Slot } from './lane-memory.js';
import type { Place } from './place.js';
import type { PendingSignal } from './protocol.js';
import { safeDecision } from './safe-decision.js';
import { Settled } from './settled.js';
import type { StepCalls, StepWork } from './step-calls.js';
import { StorageClock } from './storage-clock.js';
import { Suspects } from './suspects.js';
import { TaskLimits } from './task-limits.js';
import { Watchdog } from './watchdog.js';

/** Taken back and without a place: then back to the storage, where other consumers can have it. */
const HAND_MS = 50;
/** Where so many tasks are left for each place there is enough for every consumer. */
const BACKLOG_PER_PLACE = 8;
/** One wait for work; between two the connection proves that it lives. */
const WAIT_MS = 2000;

/** What a call shall lease. */
type Ask = Pick<StepWork, 'chunks' | 'chunkSize'>;
const NOTHING: Ask = { chunks: 0, chunkSize: 1 };

export class Dispatcher {
  readonly #calls: StepCalls;
  #options: DispatcherOptions;
  readonly #events: DispatcherEvents;
  readonly #interruptWait: () => void;
  readonly #places = new Set<Place>();
  readonly #sizer = new ChunkSizer();
  readonly #watchdog: Watchdog;
  readonly #cancels: Cancels;
  #settled = new Settled();
  readonly #hand = new Hand(HAND_MS, () => this.#releaseHand(false));
  readonly #limits: TaskLimits;
  readonly #suspects = new Suspects();
  /** What calls that have no answer yet carry. */
  readonly #underWay = new Set<StepWork>();
  /** The storage had nothing left at the last look. */
  #starved = false;
  /** How much was left at the last answer. */
  #left = 0;
  #waiting = false;
  #leasing = true;
  #ended = false;
  #pumpDue = false;
  readonly #clock = new StorageClock();
  #whenQuiet: (() => void) | undefined;

  constructor(calls: StepCalls, interruptWait: () => void, options: DispatcherOptions, events: DispatcherEvents) {
    this.#calls = calls;
    this.#interruptWait = interruptWait;
    this.#options = options;
    this.#events = events;
    this.#limits = new TaskLimits(options.limits, (text, delayMs) => this.#transit(text, { kind: 'postponed', delayMs }));
    this.#watchdog = new Watchdog({
      places: () => this.#places,
      starving: (place) =>
        this.#hand.size === 0 && (this.#starved || !this.#leasing) && [...this.#places].some((other) => other !== place && hasRoom(other)),
      collected: (lane, bytes) => this.completion(lane, bytes),
      tookBack: (texts) => this.#take(texts),
      graceMs: (task) => this.#options.graceMs(task),
      exclusive: (task) => this.#options.exclusive.has(task),
    });
    this.#cancels = new Cancels({
      places: () => this.#places,
      draw: (id) => this.#hand.remove(id) ?? this.#limits.remove(id),
      stop: (place, lane, slot) => this.#watchdog.stop(place, lane, slot, 'canceled', performance.now()),
      canceled: (text) => this.#transit(text, droppedOutcome('canceled')),
    });
  }

  get storageNow(): number {
    return this.#clock.now;
  }

  noteStorageTime(now: number): void {
    this.#clock.note(now);
  }

  add(place: Place): void {
    this.#places.add(place);
    this.#pumpSoon();
  }

  /** It gets nothing more; what has not started in it goes to others at once, what runs ends there. */
  leave(place: Place): void {
    for (const lane of place.lanes) this.#take(lane.takeBack());
  }

  /** The tasks have other options from now on. */
  adopt(options: DispatcherOptions): void {
    this.#options = options;
    this.#take(this.#limits.adopt(options.limits));
  }

  /** A chunk has come to its end; its outcomes were told before. */
  chunkEnded(place: Place, lane: Lane): void {
    const now = performance.now();
    if (lane.limited !== undefined) this.#limits.note(lane.limited, now - lane.postedAt);
    // One after the other, the time of a chunk counts from the end of the one before it.
    else this.#sizer.note(now - (place.seats === 1 ? Math.max(lane.postedAt, place.lastEndAt) : lane.postedAt), lane.kept);
    place.lastEndAt = now;
    place.blocked = false;
    const bytes = lane.collect();
    if (bytes) this.completion(lane, bytes);
    lane.unload();
    if (place.idle) this.#suspects.emptied(place);
    if (this.#suspects.expected) this.#starved = false;
    this.#pumpSoon();
  }

  outcome(lane: Lane, slot: number, outcome: Outcome, ran?: RunFigures): void {
    const text = lane.message(slot);
    this.#transit(text, stoppedOutcome(lane, slot, outcome) ?? outcome, ran);
  }

  completion(lane: Lane, bytes: Uint8Array): void {
    this.#settled.completions.push(bytes);
    this.#settled.receipts.push(lane.receipt);
    if (this.#options.signals.has('complete')) {
      const ids = new Set(decodeCompletions(bytes).map(({ id }) => id));
      for (const text of lane.messagesOf(ids)) this.#settled.signals.push({ signal: 'complete', text });
    }
    this.#pumpSoon();
  }

  /** The thread is gone: nothing changes its lanes any more. */
  placeGone(place: Place, reason: string): void {
    this.#places.delete(place);
    this.#suspects.forget(place);
    accountFor(place, reason, {
      completed: (lane, bytes) => this.completion(lane, bytes),
      tookBack: (texts) => this.#take(texts),
      ended: (text, outcome, ran) => this.#transit(text, outcome, ran),
    });
    this.#pumpSoon();
  }

  /** Ends these, where they are here: as canceled. */
  cancel(ids: readonly string[]): void {
    if (!this.#ended) this.#cancels.cancel(ids, this.#underWay);
  }

  /** From now on nothing is leased; what has not started goes back at once. */
  stopLeasing(): void {
    this.#leasing = false;
    if (this.#waiting) this.#interruptWait();
    for (const place of this.#places) for (const lane of place.lanes) this.#take(lane.takeBack());
    this.#releaseAll();
    this.#pumpSoon();
  }

  /** Ends what still runs; it is given back uncharged. */
  interruptRunning(): void {
    for (const place of this.#places) {
      for (const lane of place.lanes) {
        for (const slot of lane.slotsIn(Slot.RUNNING)) if (lane.memory.stop(slot)) lane.stops.set(slot, 'stopping');
      }
      if (!place.idle) place.kill();
    }
  }

  /** Resolves when nothing runs and everything is committed. Only after `stopLeasing`. */
  async quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet = resolve;
      this.#pumpSoon();
    });
  }

  /** Forgets everything: the tasks are not this consumer's any more, or the process ends. */
  end(): void {
    this.#ended = true;
    this.#calls.end();
    this.#watchdog.sleep();
    this.#hand.clear();
    this.#limits.drawAll();
  }

  /** Ids that this consumer knows that it holds, a superset while chunks are under way. */
  heldIds(): Set<string> {
    const kept = [...this.#hand.texts, ...this.#limits.texts];
    return heldIds(this.#places, kept, [...this.#underWay, this.#settled]);
  }

  /** Something may be there that no waiting call will see. */
  look(): void {
    this.#starved = false;
    this.#pumpSoon();
  }

  /** Merges everything that arrives in one turn of the loop into one round of calls. */
  #pumpSoon(): void {
    if (this.#pumpDue || this.#ended) return;
    this.#pumpDue = true;
    setImmediate(() => {
      this.#pumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#ended) return;
    this.#dealLimited();
    this.#dealHand();
    while (this.#calls.free) {
      const wanted = this.#starved ? NOTHING : this.#ask();
      if (wanted.chunks === 0 && this.#settled.isEmpty) break;
      void this.#step(wanted);
    }
    if (this.#leasing && this.#starved && !this.#waiting) {
      const wanted = this.#ask();
      if (wanted.chunks > 0) void this.#wait(wanted);
    }
    if (this.#whenQuiet && this.#isQuiet()) this.#whenQuiet();
  }

  #isQuiet(): boolean {
    if (!this.#settled.isEmpty || this.#hand.size > 0) return false;
    if (this.#limits.waiting > 0) return false;
    return this.#calls.inFlight === 0 && !this.#waiting && [...this.#places].every((place) => place.idle);
  }

  async #step(ask: Ask): Promise<void> {
    const settled = this.#settled;
    this.#settled = new Settled();
    const work = this.#work(ask, settled);
    await this.#call(work, this.#calls.step(work), settled.signals);
  }

  async #wait(ask: Ask): Promise<void> {
    const work = this.#work(ask, new Settled());
    this.#waiting = true;
    await this.#call(
      work,
      this.#calls.wait(work, WAIT_MS).finally(() => (this.#waiting = false)),
    );
  }

  async #call(work: StepWork, answer: Promise<StepReply>, signals: PendingSignal[] = []): Promise<void> {
    this.#underWay.add(work);
    try {
      const reply = await answer;
      this.#underWay.delete(work);
      // Where some were refused nobody knows which: a signal is told at most once, and only of what counted.
      if (signals.length > 0 && reply.refused === 0) this.#events.onSignals(signals);
      this.#took(reply, work);
      this.#cancels.callEnded(work);
    } catch (error) {
      // What was refused with the whole call still counts as held for whoever tells of it.
      this.#failed(error);
      this.#underWay.delete(work);
    }
  }

  #work({ chunks, chunkSize }: Ask, { completions, receipts, transitions }: Settled): StepWork {
    const solo = chunks > 0 && this.#suspects.mayCome(this.#places, this.#underWay);
    const handOver = this.#options.observe() || this.#options.signals.has('revoked') || this.#options.signals.has('expired');
    return { completions, receipts, transitions, chunks, chunkSize, solo, handOver };
  }

  #took(reply: StepReply, { chunks: asked, solo }: StepWork): void {
    if (this.#ended) return;
    this.noteStorageTime(reply.now);
    if (asked > 0 || reply.left > 0) this.#starved = reply.left === 0;
    this.#left = reply.left;
    if (reply.refused > 0) this.#events.onRefused(reply.refused);
    for (const { text, state } of reply.dropped) if (text !== undefined) this.#transit(text, droppedOutcome(state));
    const ended = reply.dropped.filter(({ text }) => text === undefined);
    if (ended.length > 0) this.#events.onDropped(ended);
    if (reply.solo !== undefined) this.#startSuspect(reply.solo);
    else if (solo) this.#suspects.noneCame();
    const { lanes } = this.#freeLanes();
    for (const leased of reply.chunks) {
      const chunk = this.#limits.without(leased, this.#places);
      if (chunk.count === 0) continue;
      const free = lanes.shift();
      if (free && this.#leasing) this.#post(free, chunk);
      else this.#take(chunk.text.split(SEPARATOR));
    }
    if (!this.#leasing) this.#releaseAll();
    this.#pumpSoon();
  }

  #failed(error: unknown): void {
    if (this.#ended) return;
    if ((error as { code?: unknown }).code === 'reaped') this.#events.onReaped();
    else this.#events.onFault(error as Error);
  }

  #ask(): Ask {
    const free = this.#freeLanes();
    if (!this.#leasing) return NOTHING;
    // What is at hand has no free seat either.
    const chunks = this.#hand.size > 0 ? 0 : chunksToAsk(free, this.#underWay);
    if (chunks > 0 || !this.#suspects.expected || !this.#suspects.mayCome(this.#places, this.#underWay))
      return { chunks: Math.min(chunks, Math.max(1, Math.floor(CHUNK_MAX / free.size))), chunkSize: free.size };
    // No suspect comes with a call that takes nothing else.
    return { chunks: 1, chunkSize: 1 };
  }

  #freeLanes(): FreeLanes {
    return freeLanes(this.#places, this.#sizer.pace(this.#left >= BACKLOG_PER_PLACE * this.#places.size), performance.now());
  }

  #post({ place, lane }: Pick<FreeLane, 'place' | 'lane'>, chunk: Chunk, limited?: string): void {
    this.#sizer.noteLength(chunk.text.length, chunk.count);
    place.post(lane, chunk, this.#clock.skewMs, this.#options.observe());
    lane.limited = limited;
    this.#watchdog.wake();
  }

  #transit(text: string, outcome: Outcome, ran?: RunFigures): void {
    const { resultTtlMs, intermediateErrors, codec, signals } = this.#options;
    const { message, decision } = safeDecision(text, outcome, { now: this.storageNow, resultTtlMs, intermediateErrors, codec });
    const error = 'error' in outcome ? outcome.error : undefined;
    for (const signal of message === undefined ? [] : signalsOf(outcome, decision)) {
      if (signals.has(signal)) this.#settled.signals.push({ signal, text, ...(error === undefined ? {} : { error }) });
    }
    this.#settled.transitions.push(decision.transition);
    this.#events.onDecision(message, decision, outcome, ran);
    this.#pumpSoon();
  }

  #take(texts: readonly string[]): void {
    if (texts.length === 0) return;
    this.#hand.put(this.#limits.any && this.#leasing ? this.#limits.keep(texts, this.#places) : texts);
    this.#pumpSoon();
  }

  /** What was taken back goes first to places that have nothing at all to do, evenly. */
  #dealHand(): void {
    if (this.#hand.size === 0 || !this.#leasing) return;
    const free = this.#freeLanes().lanes.filter(({ place, room }) => (place.seats === 1 ? place.idle : room > 0));
    for (let lane = free.shift(); lane && this.#hand.size > 0; lane = free.shift()) {
      const texts = this.#hand.draw(Math.min(this.#sizer.size, Math.ceil(this.#hand.size / (free.length + 1))));
      this.#post(lane, { text: texts.join(SEPARATOR), count: texts.length });
    }
  }

  #releaseHand(all: boolean): void {
    // In reverse, because each goes to the head.
    for (const text of this.#hand.drawOld(all).reverse()) this.#transit(text, { kind: 'not-started' });
  }

  #dealLimited(): void {
    while (this.#limits.waiting > 0 && this.#leasing) {
      const free = this.#freeLanes().lanes.find(({ room }) => room > 0);
      const next = free && this.#limits.next(this.#places);
      if (!next) break;
      this.#post(free, { text: next.text, count: 1 }, next.task);
    }
  }

  /** Everything that no place has. */
  #releaseAll(): void {
    this.#releaseHand(true);
    for (const text of this.#limits.drawAll()) this.#transit(text, { kind: 'not-started' });
  }

  /** Before anything else that came is posted. */
  #startSuspect(text: string): void {
    if (!this.#leasing) return this.#transit(text, { kind: 'not-started' });
    if (!this.#limits.allows(text, this.#places)) {
      this.#suspects.noneCame();
      return this.#transit(text, { kind: 'postponed', delayMs: SECOND_MS });
    }
    const place = this.#suspects.came(this.#places);
    const [lane] = place?.lanes ?? [];
    if (place === undefined || lane === undefined) this.#transit(text, { kind: 'not-started' });
    else this.#post({ place, lane }, { text, count: 1 }, this.#limits.taskOf(text));
  }
}
