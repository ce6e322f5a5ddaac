/**
 * Takes tasks from the storage into the lanes of the places, and what came of them back. Duties:
 *  1. lease for every lane that is free, as long as there is something; where there is nothing, wait for it;
 *  2. hand on completions as bytes, unread, and turn every other outcome into a transition (lifecycle.decide);
 *  3. give away again what was taken back: to a place that is free, else, after HAND_MS, to the storage;
 *  4. run a suspect alone, one at a time;
 *  5. after a thread's death, account for each task that it held.
 *
 * What is held here and nowhere else is in flight in the storage, under this consumer's name: a death of the process at
 * any point loses none of it. It is worse to lose a task than to run it twice.
 */
import { decodeCompletions } from '../runtime/completion.js';
import { errorInfo } from '../runtime/error-data.js';
import { buryUnreadable, decide, type Decision, type Outcome } from '../runtime/lifecycle.js';
import { idOf, SEPARATOR, type Message } from '../runtime/message.js';
import { signalsOf } from '../runtime/signals.js';
import type { Chunk, StepReply, Transition } from '../runtime/storage.js';
import { checkTransition } from '../runtime/storage/checks.js';
import { ChunkSizer } from './chunk-sizer.js';
import type { DispatcherEvents, DispatcherOptions } from './dispatcher-options.js';
import { freeLanes, type FreeLane } from './free-lanes.js';
import { Hand } from './hand.js';
import { stoppedOutcome, type Lane } from './lane.js';
import { Slot } from './lane-memory.js';
import type { Place } from './place.js';
import type { PendingSignal } from './protocol.js';
import type { StepCalls, StepWork } from './step-calls.js';
import { Watchdog } from './watchdog.js';

/** Taken back and without a place: then back to the storage, where other consumers can have it. */
const HAND_MS = 50;
/** One wait for work; between two the connection proves that it lives. */
const WAIT_MS = 2000;

export class Dispatcher {
  readonly #calls: StepCalls;
  readonly #options: DispatcherOptions;
  readonly #events: DispatcherEvents;
  readonly #interruptWait: () => void;
  readonly #places = new Set<Place>();
  readonly #sizer = new ChunkSizer();
  readonly #watchdog: Watchdog;

  #completions: Uint8Array[] = [];
  #transitions: Transition[] = [];
  /** Told when the call that commits them has counted. */
  #signals: PendingSignal[] = [];
  readonly #hand = new Hand(HAND_MS, () => this.#releaseHand(false));
  /** A suspect that waits for a place of its own. */
  #suspect: string | undefined;
  /** What calls that have no answer yet carry. */
  readonly #underWay = new Set<StepWork>();
  /** Lanes that calls under way were made for. */
  #promised = 0;
  #suspectPromised = false;
  /** The storage had nothing left at the last look. */
  #starved = false;
  #waiting = false;
  #leasing = true;
  #ended = false;
  #pumpDue = false;
  /** The storage's clock minus this machine's. */
  #skewMs = 0;
  /** The storage's clock minus this machine's monotonic one. */
  #offsetMs = Date.now() - performance.now();
  #whenQuiet: (() => void) | undefined;

  constructor(calls: StepCalls, interruptWait: () => void, options: DispatcherOptions, events: DispatcherEvents) {
    this.#calls = calls;
    this.#interruptWait = interruptWait;
    this.#options = options;
    this.#events = events;
    this.#watchdog = new Watchdog({
      places: () => this.#places,
      starving: () =>
        this.#hand.size === 0 &&
        [...this.#places].some((place) => place.ready && place.idle && !place.alone) &&
        (this.#starved || !this.#leasing),
      collected: (lane, bytes) => this.completion(lane, bytes),
      tookBack: (texts) => this.#take(texts),
      graceMs: options.graceMs,
    });
  }

  /** The storage's clock, carried on by this machine's monotonic one: a step of the wall clock here changes nothing. */
  get storageNow(): number {
    return this.#offsetMs + performance.now();
  }

  noteStorageTime(now: number): void {
    this.#skewMs = now - Date.now();
    this.#offsetMs = now - performance.now();
  }

  add(place: Place): void {
    this.#places.add(place);
    this.#pumpSoon();
  }

  /** A chunk has come to its end; its outcomes were told before. */
  chunkEnded(place: Place, lane: Lane): void {
    const now = performance.now();
    this.#sizer.note(now - Math.max(lane.postedAt, place.lastEndAt), lane.count);
    place.lastEndAt = now;
    const bytes = lane.collect();
    if (bytes) this.completion(lane, bytes);
    lane.unload();
    if (place.alone && place.idle) place.alone = false;
    this.#pumpSoon();
  }

  outcome(lane: Lane, slot: number, outcome: Outcome, ranMs?: number): void {
    const text = lane.message(slot);
    this.#transit(text, stoppedOutcome(lane, slot) ?? outcome, ranMs);
  }

  completion(lane: Lane, bytes: Uint8Array): void {
    this.#completions.push(bytes);
    if (this.#options.signals.has('complete')) {
      const ids = new Set(decodeCompletions(bytes).map(({ id }) => id));
      for (const text of lane.messagesOf(ids)) this.#signals.push({ signal: 'complete', text });
    }
    this.#pumpSoon();
  }

  /** The thread is gone: nothing changes its lanes any more. */
  placeGone(place: Place, reason: string): void {
    this.#places.delete(place);
    this.#watchdog.forget(place);
    const running = place.lanes.reduce((sum, lane) => sum + lane.slotsIn(Slot.RUNNING).length, 0);
    for (const lane of place.lanes) {
      const bytes = lane.collect();
      if (bytes) this.completion(lane, bytes);
      this.#take(lane.takeBack());
      for (const slot of lane.slotsIn(Slot.RUNNING)) this.#transit(lane.message(slot), { kind: 'crashed', alone: running === 1, reason });
      for (const slot of lane.slotsIn(Slot.STOPPING)) {
        const text = lane.message(slot);
        this.#transit(text, stoppedOutcome(lane, slot) ?? { kind: 'interrupted' });
      }
      // It died between the end of the function and the end of its record.
      for (const slot of lane.slotsIn(Slot.COMMITTING)) this.#transit(lane.message(slot), { kind: 'interrupted' });
      lane.unload();
    }
    place.alone = false;
    this.#pumpSoon();
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
  }

  /** Ids that this consumer knows that it holds, a superset while chunks are under way. */
  heldIds(): Set<string> {
    const ids = new Set<string>();
    for (const place of this.#places) {
      for (const lane of place.lanes) for (let slot = 0; slot < lane.count; slot++) ids.add(idOf(lane.message(slot)));
    }
    for (const text of this.#hand.texts) ids.add(idOf(text));
    for (const { transitions, completions } of [...this.#underWay, { transitions: this.#transitions, completions: this.#completions }]) {
      for (const { id } of transitions) ids.add(id);
      for (const bytes of completions) for (const { id } of decodeCompletions(bytes)) ids.add(id);
    }
    if (this.#suspect !== undefined) ids.add(idOf(this.#suspect));
    return ids;
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
    this.#dealSuspect();
    this.#dealHand();
    while (this.#calls.free) {
      const wanted = this.#starved ? 0 : this.#wantedChunks();
      if (wanted === 0 && this.#completions.length === 0 && this.#transitions.length === 0) break;
      void this.#step(wanted);
    }
    if (this.#leasing && this.#starved && !this.#waiting) {
      const wanted = this.#wantedChunks();
      if (wanted > 0) void this.#wait(wanted);
    }
    if (this.#whenQuiet && this.#isQuiet()) this.#whenQuiet();
  }

  #isQuiet(): boolean {
    if (this.#completions.length > 0 || this.#transitions.length > 0 || this.#hand.size > 0 || this.#suspect !== undefined) return false;
    return this.#calls.inFlight === 0 && !this.#waiting && [...this.#places].every((place) => place.idle);
  }

  async #step(chunks: number): Promise<void> {
    const work = this.#work(chunks, this.#completions, this.#transitions);
    const signals = this.#signals;
    this.#completions = [];
    this.#transitions = [];
    this.#signals = [];
    this.#promise(work, 1);
    try {
      const reply = await this.#calls.step(work);
      this.#promise(work, -1);
      // Where some were refused nobody knows which: a signal is told at most once, and only of what counted.
      if (signals.length > 0 && reply.refused === 0) this.#events.onSignals(signals);
      this.#took(reply, chunks);
    } catch (error) {
      this.#promise(work, -1);
      this.#failed(error);
    }
  }

  async #wait(chunks: number): Promise<void> {
    const work = this.#work(chunks, []);
    this.#waiting = true;
    this.#promise(work, 1);
    try {
      const reply = await this.#calls.wait(work, WAIT_MS);
      this.#waiting = false;
      this.#promise(work, -1);
      this.#took(reply, chunks);
    } catch (error) {
      this.#waiting = false;
      this.#promise(work, -1);
      this.#failed(error);
    }
  }

  #work(chunks: number, completions: Uint8Array[], transitions: Transition[] = []): StepWork {
    const alone = this.#suspect !== undefined || this.#suspectPromised || [...this.#places].some((place) => place.alone);
    const handOver = this.#options.observe() || this.#options.signals.has('revoked') || this.#options.signals.has('expired');
    return { completions, transitions, chunks, chunkSize: this.#sizer.size, solo: chunks > 0 && !alone, handOver };
  }

  #promise(work: StepWork, sign: 1 | -1): void {
    if (sign === 1) this.#underWay.add(work);
    else this.#underWay.delete(work);
    this.#promised += sign * work.chunks;
    if (work.solo) this.#suspectPromised = sign === 1;
  }

  #took(reply: StepReply, asked: number): void {
    if (this.#ended) return;
    this.noteStorageTime(reply.now);
    if (asked > 0 || reply.left > 0) this.#starved = reply.left === 0;
    if (reply.refused > 0) this.#events.onRefused(reply.refused);
    for (const { text, state } of reply.dropped) {
      if (text !== undefined)
        this.#transit(text, state === 'dead' ? { kind: 'dead', reason: 'process after process died while it ran alone' } : { kind: state });
    }
    const ended = reply.dropped.filter(({ text }) => text === undefined);
    if (ended.length > 0) this.#events.onDropped(ended);
    this.#suspect ??= reply.solo;
    const lanes = this.#freeLanes();
    for (const chunk of reply.chunks) {
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

  #wantedChunks(): number {
    return this.#leasing ? Math.max(0, this.#freeLanes().length - this.#promised) : 0;
  }

  #freeLanes(): FreeLane[] {
    return freeLanes(this.#places, this.#sizer.ahead, performance.now());
  }

  #post({ place, lane }: FreeLane, chunk: Chunk): void {
    this.#sizer.noteLength(chunk.text.length, chunk.count);
    place.post(lane, chunk, this.#skewMs, this.#options.observe());
    this.#watchdog.wake();
  }

  #transit(text: string, outcome: Outcome, ranMs?: number): void {
    let message: Message | undefined;
    let decision: Decision;
    try {
      message = this.#options.codec.decodeMessage(text);
      const { resultTtlMs, intermediateErrors, codec } = this.#options;
      decision = decide(text, message, outcome, { now: this.storageNow, resultTtlMs, intermediateErrors, codec });
      // A call that no storage takes would end this consumer, and the next one that leases the task.
      checkTransition(decision.transition);
      const error = 'error' in outcome ? outcome.error : undefined;
      for (const signal of signalsOf(outcome, decision)) {
        if (this.#options.signals.has(signal)) this.#signals.push({ signal, text, ...(error === undefined ? {} : { error }) });
      }
    } catch (error) {
      decision = buryUnreadable(text, errorInfo(error).message);
    }
    this.#transitions.push(decision.transition);
    this.#events.onDecision(message, decision, outcome, ranMs);
    this.#pumpSoon();
  }

  #take(texts: readonly string[]): void {
    this.#hand.put(texts);
    if (texts.length > 0) this.#pumpSoon();
  }

  /** What was taken back goes first to places that have nothing at all to do, evenly. */
  #dealHand(): void {
    if (this.#hand.size === 0 || !this.#leasing) return;
    const free = this.#freeLanes().filter(({ place }) => place.idle);
    for (let lane = free.shift(); lane && this.#hand.size > 0; lane = free.shift()) {
      const texts = this.#hand.draw(Math.min(this.#sizer.size, Math.ceil(this.#hand.size / (free.length + 1))));
      this.#post(lane, { text: texts.join(SEPARATOR), count: texts.length });
    }
  }

  #releaseHand(all: boolean): void {
    // In reverse, because each goes to the head.
    for (const text of this.#hand.drawOld(all).reverse()) this.#transit(text, { kind: 'not-started' });
  }

  /** Everything that no place has, a suspect that waits for one too. */
  #releaseAll(): void {
    this.#releaseHand(true);
    if (this.#suspect === undefined) return;
    this.#transit(this.#suspect, { kind: 'not-started' });
    this.#suspect = undefined;
  }

  #dealSuspect(): void {
    if (this.#suspect === undefined || !this.#leasing) return;
    const places = [...this.#places].filter((place) => place.ready);
    const place = places.find((one) => one.alone) ?? places.find((one) => one.idle) ?? places[0];
    if (place === undefined) return;
    place.alone = true;
    const [lane] = place.lanes;
    if (!place.idle || lane === undefined) return;
    this.#post({ place, lane }, { text: this.#suspect, count: 1 });
    this.#suspect = undefined;
  }
}
