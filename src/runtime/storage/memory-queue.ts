/**
 * The state of one queue in memory, and the reference for what the verbs of a storage mean. Everything here is
 * synchronous, so every verb is atomic as it stands; MemoryStorage is the asynchronous face.
 *
 * Places of a message, and what moves it:
 *
 *     scheduled --promote--> ready | hi | lo | suspects --step--> in flight --step--> ended (a record), or requeued
 *                            ready | hi | lo | suspects <--reap, release, unregister-- in flight --> dead
 *
 * Nothing is ever landing here: a reply cannot be lost between two places of one process.
 */
import { createHash } from 'node:crypto';
import type { ResultRecord } from '../completion.js';
import { decodeRecord, encodeRecord, GONE_PAYLOAD } from '../completion.js';
import { StorageRefused } from '../errors.js';
import * as limits from '../limits.js';
import { decodeHead, MESSAGE_VERSION, withHead } from '../message.js';
import type { BeatReply, Counts, Dropped, EnqueueReply, PromoteReply, ReapReply, StepReply, TickCall } from '../storage.js';
import type { CheckedItem, CheckedStep, CheckedTransition } from './checks.js';
import type { MemoryConsumer } from './memory-consumers.js';
import { MemoryConsumers } from './memory-consumers.js';
import type { DeadMessage } from './memory-dead.js';
import { MemoryDead } from './memory-dead.js';
import { ExpiringMap } from './memory-expiring.js';
import { Line } from './memory-line.js';
import { MemoryMarks } from './memory-marks.js';
import { absoluteExpiry, chargeLapse, copyReply, hasExpired, headOf, spread } from './memory-rules.js';

/** Who is told what happens; one for each storage that looks at this queue. */
export interface MemoryWatcher {
  ended(ended: readonly { id: string; record: ResultRecord }[]): void;
  /** Something is due earlier than everything before. */
  scheduledEarlier(): void;
  /** Something can be leased. */
  becameReady(): void;
}

/** The beginning of a message of another version. */
const OTHER_VERSION = new RegExp(`^\\["(?!${MESSAGE_VERSION})[0-9A-Za-z][^\\n]*$`);
const UNKNOWN_DELAY_MIN_MS = limits.SECOND_MS;
const UNKNOWN_DELAY_MAX_MS = limits.MINUTE_MS;

export class MemoryQueue {
  readonly now: () => number;
  readonly watchers = new Set<MemoryWatcher>();
  readonly marks = new MemoryMarks();
  readonly #consumers = new MemoryConsumers();
  readonly #ready = new Line();
  readonly #hi = new Line();
  readonly #lo = new Line();
  readonly #suspects = new Line();
  readonly #scheduled = new Line();
  readonly #dead = new MemoryDead();
  readonly #records = new ExpiringMap<string>();
  readonly #enqueuedIds = new ExpiringMap<true>();
  readonly #ticks = new Map<string, number>();
  /** Messages of an unknown version: when they were first seen. */
  readonly #unknownSince = new Map<string, number>();

  /** What the watchers have to be told when the verb is through. */
  #ended: { id: string; record: ResultRecord }[] = [];
  #earlier = false;
  #grew = false;

  constructor(now: () => number) {
    this.now = now;
  }

  enqueue(items: readonly CheckedItem[]): EnqueueReply {
    const duplicates = this.#enqueueAll(items, this.now());
    this.#tell();
    return { duplicates };
  }

  readRecord(id: string): ResultRecord | undefined {
    const record = this.#records.get(id, this.now());
    return record === undefined ? undefined : decodeRecord(record);
  }

  removeValue(id: string): void {
    this.#records.replace(id, (record) => (record.length > 1 ? record.slice(0, 1) + GONE_PAYLOAD : record), this.now());
  }

  counts(): Counts {
    const running = [...this.#consumers.all()].reduce((sum, consumer) => sum + consumer.inFlight.size, 0);
    const ready = this.#leasable() + this.#suspects.size;
    return { ready, scheduled: this.#scheduled.size, running, dead: this.#dead.size, consumers: this.#consumers.size };
  }

  register(consumer: string, leaseMs: number): { now: number } {
    const now = this.now();
    this.#consumers.register(consumer, leaseMs, now);
    return { now };
  }

  beat(consumer: string, leaseMs: number): BeatReply {
    const now = this.now();
    return { now, held: this.#consumers.beat(consumer, leaseMs, now).inFlight.size, landing: 0 };
  }

  heldIds(consumer: string): string[] {
    return [...(this.#consumers.find(consumer)?.inFlight.keys() ?? [])];
  }

  release(id: string, ids: readonly string[]): number {
    const inFlight = this.#consumers.find(id)?.inFlight;
    const texts = [...new Set(ids)].flatMap((held) => inFlight?.get(held) ?? []);
    for (const held of ids) inFlight?.delete(held);
    this.#giveBack(texts);
    this.#tell();
    return texts.length;
  }

  unregister(id: string): void {
    const consumer = this.#consumers.find(id);
    if (consumer === undefined) return;
    this.#consumers.delete(id);
    this.#giveBack([...consumer.inFlight.values()]);
    this.#tell();
  }

  /** Whether a step would find nothing to take, so that waiting makes sense. @throws as `step` */
  findsNothing(call: CheckedStep): boolean {
    if (this.#repeated(this.#consumers.get(call.consumer), call) !== undefined || call.chunks === 0) return false;
    return this.#leasable() === 0 && !(call.solo && this.#suspects.size > 0);
  }

  /** @throws ConsumerReaped, StorageRefused */
  step(call: CheckedStep): StepReply {
    const consumer = this.#consumers.get(call.consumer);
    const repeated = this.#repeated(consumer, call);
    if (repeated !== undefined) return copyReply(repeated);

    const now = this.now();
    const { committed, refused } = this.#commit(consumer, call, now);
    const dropped: Dropped[] = [];
    const solo = call.solo && call.chunks > 0 ? this.#takeSolo(consumer, now, dropped) : undefined;
    const texts = this.#take(consumer, call.chunks * call.chunkSize, now, dropped);
    const chunks = spread(texts, call.chunks);
    const reply = { now, chunks, solo, left: this.#leasable(), committed, refused, dropped, held: consumer.inFlight.size };
    consumer.lanes.set(call.lane, { seq: call.seq, reply: copyReply(reply) });
    this.#tell();
    return reply;
  }

  reap(leaseMs: number): ReapReply {
    const now = this.now();
    const lapsed = this.#consumers.lapsed(leaseMs, now);
    let tasks = 0;
    let dead = 0;
    for (const consumer of lapsed) {
      this.#consumers.delete(consumer.id);
      const back: string[] = [];
      for (const text of consumer.inFlight.values()) {
        const head = chargeLapse(decodeHead(text));
        const charged = withHead(text, head);
        if (head.deaths <= limits.DEATHS_MAX) back.push(charged);
        else {
          const reason = `took its consumer down ${head.deaths} times, running alone`;
          this.#dead.add({ id: head.id, text: charged, reason, at: now });
          this.#settle(head.id, encodeRecord('dead', JSON.stringify({ reason })), limits.RESULT_TTL_MS / 1000, now);
          dead++;
        }
      }
      this.#giveBack(back);
      tasks += back.length;
    }
    this.#tell();
    return { now, consumers: lapsed.map(({ id }) => id), tasks, dead };
  }

  promote(limit: number): PromoteReply {
    const now = this.now();
    let promoted = 0;
    for (; promoted < limit; promoted++) {
      const next = this.#scheduled.first();
      if (next === undefined || next.rank > now) break;
      this.#scheduled.shift();
      this.#place(next.text, 'tail');
    }
    this.#tell();
    return { now, promoted, nextDueAt: this.#scheduled.first()?.rank };
  }

  tick({ task, minuteMs }: TickCall, item: CheckedItem): boolean {
    const now = this.now();
    if (minuteMs > now || minuteMs <= (this.#ticks.get(task) ?? -1)) return false;
    this.#ticks.set(task, minuteMs);
    const duplicates = this.#enqueueAll([item], now);
    this.#tell();
    return duplicates.length === 0;
  }

  lastTick(task: string): number | undefined {
    return this.#ticks.get(task);
  }

  skipTick(task: string, minuteMs: number): void {
    this.#ticks.set(task, Math.max(minuteMs, this.#ticks.get(task) ?? 0));
  }

  dead(limit: number): DeadMessage[] {
    return this.#dead.newest(limit, this.now());
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  pushRaw(text: string): void {
    this.#place(text, 'tail');
    this.#tell();
  }

  // --- commit ---

  #repeated(consumer: MemoryConsumer, call: CheckedStep): StepReply | undefined {
    const last = consumer.lanes.get(call.lane);
    if (last === undefined || call.seq > last.seq) return undefined;
    if (call.seq === last.seq) return last.reply;
    throw new StorageRefused(`lane ${call.lane} of consumer ${call.consumer} is at call ${last.seq}; call ${call.seq} comes too late`);
  }

  #commit(consumer: MemoryConsumer, call: CheckedStep, now: number): { committed: number; refused: number } {
    let committed = 0;
    for (const { id, record, ttlSeconds } of call.completions) {
      if (!consumer.inFlight.delete(id)) continue;
      this.#settle(id, record, ttlSeconds, now);
      committed++;
    }
    const givenBack: string[] = [];
    for (const transition of call.transitions) {
      if (!consumer.inFlight.delete(transition.id)) continue;
      this.#apply(transition, givenBack, now);
      committed++;
    }
    this.#giveBack(givenBack);
    return { committed, refused: call.completions.length + call.transitions.length - committed };
  }

  #apply(transition: CheckedTransition, givenBack: string[], now: number): void {
    switch (transition.kind) {
      case 'settle':
        this.#settle(transition.id, transition.record, transition.ttlSeconds, now);
        this.#enqueueAll(transition.enqueue, now);
        return;
      case 'requeue':
        if (transition.delayMs > 0) this.#schedule(transition.text, now + transition.delayMs);
        else if (transition.at === 'head') givenBack.push(transition.text);
        else this.#place(transition.text, 'tail');
        return;
      case 'bury':
        this.#dead.add({ id: transition.id, text: transition.text, reason: transition.reason, at: now });
        this.#settle(transition.id, transition.record, transition.ttlSeconds, now);
        return;
      default:
        transition satisfies never;
    }
  }

  #settle(id: string, record: string, ttlSeconds: number, now: number): void {
    this.#records.set(id, record, now + ttlSeconds * 1000, now);
    this.marks.remove({ id }, now);
    this.#ended.push({ id, record: decodeRecord(record) });
  }

  // --- store ---

  /** Gives the positions of those that were enqueued before. */
  #enqueueAll(items: readonly CheckedItem[], now: number): number[] {
    const duplicates: number[] = [];
    for (const [position, { text, head, delayMs, etaMs }] of items.entries()) {
      if (this.#enqueuedIds.get(head.id, now) !== undefined) {
        duplicates.push(position);
        continue;
      }
      this.#enqueuedIds.set(head.id, true, now + limits.DEDUPE_TTL_MS, now);
      const stored = head.expiryIsRelative === true ? withHead(text, absoluteExpiry(head, now)) : text;
      const dueAt = etaMs ?? now + delayMs;
      if (dueAt > now) this.#schedule(stored, dueAt);
      else this.#place(stored, 'tail');
    }
    return duplicates;
  }

  #schedule(text: string, dueAt: number): void {
    const earliest = this.#scheduled.first()?.rank ?? Infinity;
    if (dueAt < earliest) this.#earlier = true;
    this.#scheduled.add(text, dueAt, 'tail');
  }

  /** To where its head says that it can be leased. */
  #place(text: string, at: 'head' | 'tail'): void {
    const head = headOf(text);
    const priority = head?.priority ?? 0;
    if (head !== undefined && head.lapses >= limits.SUSPECT_LAPSES) this.#suspects.add(text, 0, at);
    else if (priority > 0) this.#hi.add(text, -priority, at);
    else if (priority < 0) this.#lo.add(text, -priority, at);
    else this.#ready.add(text, 0, at);
    this.#grew = true;
  }

  /** To the head, in the order they have here. */
  #giveBack(texts: readonly string[]): void {
    for (const text of texts.toReversed()) this.#place(text, 'head');
  }

  // --- lease ---

  #leasable(): number {
    return this.#hi.size + this.#ready.size + this.#lo.size;
  }

  #takeSolo(consumer: MemoryConsumer, now: number, dropped: Dropped[]): string | undefined {
    for (let next = this.#suspects.shift(); next !== undefined; next = this.#suspects.shift()) {
      if (this.#lease(consumer, next.text, now, dropped)) return next.text;
    }
    return undefined;
  }

  #take(consumer: MemoryConsumer, most: number, now: number, dropped: Dropped[]): string[] {
    const fairShare = Math.max(1, Math.ceil(this.#leasable() / this.#consumers.size));
    const texts: string[] = [];
    for (let looked = Math.min(most, fairShare); looked > 0; looked--) {
      const next = this.#hi.shift() ?? this.#ready.shift() ?? this.#lo.shift();
      if (next === undefined) break;
      if (this.#lease(consumer, next.text, now, dropped)) texts.push(next.text);
    }
    return texts;
  }

  /** Puts a message in flight, unless it has ended meanwhile or cannot be read. */
  #lease(consumer: MemoryConsumer, text: string, now: number, dropped: Dropped[]): boolean {
    const head = headOf(text);
    if (head === undefined) {
      this.#setAside(text, now, dropped);
      return false;
    }
    const state = this.marks.skips(head, now) ? 'revoked' : hasExpired(head, now) ? 'expired' : undefined;
    if (state === undefined) {
      consumer.inFlight.set(head.id, text);
      return true;
    }
    this.#settle(head.id, encodeRecord(state, ''), limits.END_MARKER_TTL_MS / 1000, now);
    dropped.push({ id: head.id, name: head.name, state });
    return false;
  }

  /** What cannot be read: of another version it waits a while for a consumer that can, everything else is dead. */
  #setAside(text: string, now: number, dropped: Dropped[]): void {
    const isOtherVersion = OTHER_VERSION.test(text);
    const since = this.#unknownSince.get(text) ?? now;
    if (isOtherVersion && now - since < limits.UNKNOWN_TASK_TTL_MS) {
      this.#unknownSince.set(text, since);
      this.#schedule(text, now + Math.min(Math.max(now - since, UNKNOWN_DELAY_MIN_MS), UNKNOWN_DELAY_MAX_MS));
      return;
    }
    this.#unknownSince.delete(text);
    const id = createHash('sha1').update(text).digest('hex');
    this.#dead.add({ id, text, reason: isOtherVersion ? 'unknown version' : 'malformed', at: now });
    dropped.push({ id, name: '', state: 'dead' });
  }

  #tell(): void {
    const [ended, earlier, grew] = [this.#ended, this.#earlier, this.#grew];
    this.#ended = [];
    this.#earlier = this.#grew = false;
    for (const watcher of this.watchers) {
      if (ended.length > 0) watcher.ended(ended);
      if (earlier) watcher.scheduledEarlier();
      if (grew) watcher.becameReady();
    }
  }
}
