/**
 * The state of one queue in memory, and the reference for what the verbs of a storage mean. Everything here is
 * synchronous, so every verb is atomic as it stands; MemoryStorage is the asynchronous face. What stands beside the
 * life of a task (marks, locks, rates, keys, notes) is reached as a part of its own.
 *
 * Places of a message, and what moves it:
 *
 *     scheduled --promote--> ready | hi | lo | suspects --step--> in flight --step--> ended (a record), or requeued
 *                            ready | hi | lo | suspects <--reap, release, unregister-- in flight --> dead
 *
 * Nothing is ever landing here: a reply cannot be lost between two places of one process.
 */
import { decodeRecord, encodeRecord } from '../completion.js';
import { StorageRefused } from '../errors.js';
import * as limits from '../limits.js';
import { decodeHead, runOf, withHead } from '../message.js';
import type * as contract from '../storage.js';
import type { CheckedChord, CheckedEffects, CheckedItem, CheckedStep, CheckedTransition } from './checks.js';
import { MemoryAliens } from './memory-aliens.js';
import { MemoryCancels } from './memory-cancels.js';
import { MemoryChords } from './memory-chords.js';
import type { MemoryConsumer } from './memory-consumers.js';
import { MemoryConsumers } from './memory-consumers.js';
import { MemoryDead } from './memory-dead.js';
import { ExpiringMap } from './memory-expiring.js';
import { MemoryLease, type Taking } from './memory-lease.js';
import { MemoryLocks } from './memory-locks.js';
import { MemoryMarks } from './memory-marks.js';
import { MemoryNews } from './memory-news.js';
import { MemoryPlaces } from './memory-places.js';
import { MemoryRecords } from './memory-records.js';
import { MemoryRates } from './memory-rates.js';
import * as rules from './memory-rules.js';
import { MemorySlots } from './memory-slots.js';
import { MemoryTicks } from './memory-ticks.js';
import { MemoryUniques } from './memory-uniques.js';

/** Whose end or count depends on this one: `undefined` where it says nothing of them. */
type Others = { [Key in 'also' | 'chord']?: contract.Effects[Key] | undefined };

export class MemoryQueue {
  readonly now: () => number;
  readonly news = new MemoryNews();
  readonly marks = new MemoryMarks();
  readonly rates = new MemoryRates();
  readonly keys = new Map<string, string>();
  readonly notes = new ExpiringMap<string>();
  readonly chords = new MemoryChords();
  readonly uniques = new MemoryUniques();
  readonly ticks = new MemoryTicks();
  readonly cancels: MemoryCancels;
  readonly #consumers = new MemoryConsumers();
  readonly locks = new MemoryLocks(({ consumer, id, run }) => {
    const text = this.#consumers.find(consumer)?.inFlight.get(id);
    return text !== undefined && runOf(decodeHead(text)) === run;
  });
  readonly #places = new MemoryPlaces(this.news);
  readonly #dead = new MemoryDead();
  readonly records = new MemoryRecords();
  readonly #enqueuedIds = new ExpiringMap<true>();
  readonly #aliens = new MemoryAliens();
  readonly #slots: MemorySlots;
  readonly #lease: MemoryLease;

  /** @param countsKeys false: every message is leased as if it had no key. */
  constructor(now: () => number, countsKeys = true) {
    this.now = now;
    this.#slots = new MemorySlots(this.#places, countsKeys);
    this.cancels = new MemoryCancels({
      now,
      news: this.news,
      marks: this.marks,
      places: this.#places,
      slots: this.#slots,
      hasEnded: (id, at) => this.#isOver(id, at),
      isInFlight: (id) => this.#consumers.inFlight(id) !== undefined,
      apply: (transition, at) => this.#apply(transition, [], at),
    });
    this.#lease = new MemoryLease({
      marks: this.marks,
      places: this.#places,
      slots: this.#slots,
      aliens: this.#aliens,
      dead: this.#dead,
      settle: (...end) => this.#settle(...end),
    });
  }

  enqueue(items: readonly CheckedItem[], chords: readonly CheckedChord[]): contract.EnqueueReply {
    const now = this.now();
    for (const chord of chords) this.chords.add(chord, now);
    const reply = this.#enqueueAll(items, now);
    this.news.tell();
    return reply;
  }

  revoke(target: contract.MarkTarget, mark: contract.Mark): void {
    const now = this.now();
    const dueAt = 'id' in target ? this.#places.dueOf(target.id, now) : undefined;
    this.marks.set(target, mark, now, dueAt);
  }

  counts(): contract.Counts {
    const { leasable, suspects, scheduled } = this.#places;
    const running = [...this.#consumers.all()].reduce((sum, consumer) => sum + consumer.inFlight.size, 0);
    return { ready: leasable + suspects + this.#slots.parked, scheduled, running, dead: this.#dead.size, consumers: this.#consumers.size };
  }

  list(place: contract.Place, limit: number): contract.Listed[] {
    switch (place) {
      case 'ready':
        return [...this.#places.listReady(limit), ...this.#slots.list(limit)].slice(0, limit);
      case 'scheduled':
        return this.#places.listScheduled(limit);
      case 'running': {
        const texts = [...this.#consumers.all()].flatMap(({ inFlight }) => [...inFlight.values()]);
        return texts.slice(0, limit).map((text) => ({ text }));
      }
      case 'dead':
        return this.#dead.newest(limit, this.now());
      default:
        return place satisfies never;
    }
  }

  register(id: string, leaseMs: number, instance?: contract.InstanceClaim): Omit<contract.RegisterReply, 'reloads'> {
    const now = this.now();
    const former = instance === undefined ? undefined : this.#consumers.takeName(id, instance);
    if (former !== undefined) this.#bringHome(former);
    this.#consumers.register(id, leaseMs, now);
    this.news.tell();
    return former === undefined ? { now } : { now, former: { consumer: former.id, tasks: former.inFlight.size } };
  }

  beat(consumer: string, leaseMs: number): Omit<contract.BeatReply, 'reloads'> {
    const now = this.now();
    const { inFlight } = this.#consumers.beat(consumer, leaseMs, now);
    return { now, held: inFlight.size, landing: 0, canceled: [...inFlight.keys()].filter((id) => this.marks.isCanceled(id, now)) };
  }

  heldIds(consumer: string): string[] {
    return [...(this.#consumers.find(consumer)?.inFlight.keys() ?? [])];
  }

  release(id: string, ids: readonly string[]): number {
    const inFlight = this.#consumers.find(id)?.inFlight;
    const texts = [...new Set(ids)].flatMap((held) => inFlight?.get(held) ?? []);
    for (const held of ids) if (inFlight?.delete(held)) this.#slots.leave(held);
    this.#giveBack(texts);
    this.news.tell();
    return texts.length;
  }

  unregister(id: string): void {
    const consumer = this.#consumers.find(id);
    if (consumer === undefined) return;
    this.#consumers.delete(id);
    for (const held of consumer.inFlight.keys()) this.#slots.leave(held);
    this.#giveBack([...consumer.inFlight.values()]);
    this.news.tell();
  }

  /** Whether a step would find nothing to take, so that waiting makes sense. @throws as `step` */
  findsNothing(call: CheckedStep): boolean {
    if (this.#repeated(this.#consumers.get(call.consumer), call) !== undefined || call.chunks === 0) return false;
    return this.#places.leasable === 0 && !(call.solo && this.#places.suspects > 0);
  }

  /** @throws ConsumerReaped, StorageRefused */
  step(call: CheckedStep): contract.StepReply {
    const consumer = this.#consumers.get(call.consumer);
    const repeated = this.#repeated(consumer, call);
    if (repeated !== undefined) return rules.copyReply(repeated);

    const now = this.now();
    const { committed, refused } = this.#commit(consumer, call, now);
    const taking: Taking = { consumer, now, handOver: call.handOver === true, dropped: [] };
    const solo = call.solo && call.chunks > 0 ? this.#lease.solo(taking) : undefined;
    const texts = this.#lease.take(taking, call.chunks * call.chunkSize, this.#consumers.size);
    const { dropped } = taking;
    const chunks = rules.spread(texts, call.chunks);
    const reply = { now, chunks, solo, left: this.#places.leasable, committed, refused, dropped };
    consumer.lanes.set(call.lane, { seq: call.seq, reply: rules.copyReply(reply) });
    this.news.tell();
    return reply;
  }

  reap(leaseMs: number): contract.ReapReply {
    const now = this.now();
    const lapsed = this.#consumers.lapsed(leaseMs, now);
    for (const consumer of lapsed) this.#bringHome(consumer);
    this.locks.sweep(now);
    this.news.tell();
    return { now, consumers: lapsed.map(({ id }) => id), tasks: lapsed.reduce((sum, { inFlight }) => sum + inFlight.size, 0) };
  }

  /** What a dead consumer held goes back, charged, and the consumer is forgotten. */
  #bringHome({ id, inFlight }: MemoryConsumer): void {
    this.#consumers.delete(id);
    for (const held of inFlight.keys()) this.#slots.leave(held);
    this.#giveBack([...inFlight.values()].map((text) => withHead(text, rules.chargeLapse(decodeHead(text)))));
  }

  /** In front of those that their slots have freed. */
  #giveBack(texts: readonly string[]): void {
    this.#slots.placeFreed();
    this.#places.giveBack(texts);
  }

  promote(limit: number): contract.PromoteReply {
    const reply = this.#places.promote(limit, this.now());
    this.news.tell();
    return reply;
  }

  tick({ task, minuteMs }: contract.TickCall, item: CheckedItem): boolean {
    const now = this.now();
    if (!this.ticks.take(task, minuteMs, now)) return false;
    const { duplicates } = this.#enqueueAll([item], now);
    this.news.tell();
    return duplicates.length === 0;
  }

  /** With a clean record. What cannot be read would only come back. */
  retryDead(id: string): boolean {
    const now = this.now();
    const message = this.#dead.find(id, now);
    const head = message === undefined ? undefined : rules.headOf(message.text);
    if (message === undefined || head === undefined) return false;
    this.#dead.delete(id);
    this.records.delete(id);
    this.#places.place(withHead(message.text, { ...head, lapses: 0, deaths: 0 }), 'tail');
    this.news.tell();
    return true;
  }

  dropDead(id: string): boolean {
    return this.#dead.find(id, this.now()) !== undefined && this.#dead.delete(id);
  }

  /** All but the consumers and what they hold. */
  flush(): void {
    const { keys, notes, chords, uniques, marks, rates, ticks } = this;
    const rooms = [this.#places, this.#slots, this.#dead, this.records, this.#enqueuedIds, this.#aliens];
    for (const room of [...rooms, keys, notes, chords, uniques, marks, rates, ticks]) room.clear();
    this.locks.flush(undefined, this.now());
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  pushRaw(text: string): void {
    this.#places.place(text, 'tail');
    this.news.tell();
  }

  // --- commit ---

  #repeated(consumer: MemoryConsumer, call: CheckedStep): contract.StepReply | undefined {
    const last = consumer.lanes.get(call.lane);
    if (last === undefined || call.seq > last.seq) return undefined;
    if (call.seq === last.seq) return last.reply;
    throw new StorageRefused(`lane ${call.lane} of consumer ${call.consumer} is at call ${last.seq}; call ${call.seq} comes too late`);
  }

  #commit(consumer: MemoryConsumer, call: CheckedStep, now: number): { committed: number; refused: number } {
    let committed = 0;
    for (const { id, record, ttlSeconds } of call.completions) {
      if (!consumer.inFlight.delete(id)) continue;
      this.#slots.leave(id);
      this.#settle(id, record, ttlSeconds, now);
      committed++;
    }
    const givenBack: string[] = [];
    for (const transition of call.transitions) {
      if (!consumer.inFlight.delete(transition.id)) continue;
      this.#slots.leave(transition.id);
      this.#apply(transition, givenBack, now);
      committed++;
    }
    this.#giveBack(givenBack);
    return { committed, refused: call.completions.length + call.transitions.length - committed };
  }

  #apply(transition: CheckedTransition, givenBack: string[], now: number): void {
    const { kind, id } = transition;
    switch (kind) {
      case 'requeue':
        if (transition.delayMs > 0 && !this.marks.isCanceled(id, now)) this.#places.schedule(transition.text, now + transition.delayMs);
        else if (transition.at === 'head') givenBack.push(transition.text);
        else this.#places.place(transition.text, 'tail');
        break;
      case 'bury':
      case 'settle':
        if (kind === 'bury') this.#dead.add({ id, text: transition.text, reason: transition.reason, at: now });
        this.#settle(id, transition.record, transition.ttlSeconds, now);
        break;
      default:
        transition satisfies never;
    }
    if (transition.effects !== undefined) this.#applyEffects(id, transition.effects, now);
  }

  #applyEffects(id: string, { enqueue, also, chord, endChord, freeUnique }: CheckedEffects, now: number): void {
    if (freeUnique !== undefined) this.uniques.free(freeUnique, id, now);
    this.#enqueueAll(enqueue, now);
    this.#tellOthers({ also, chord }, now);
    if (endChord !== undefined) this.chords.end(endChord, now);
  }

  #tellOthers({ also = [], chord }: Others, now: number): void {
    for (const { id, record, ttlSeconds } of also) {
      if (!this.records.has(id, now)) this.#settle(id, record, ttlSeconds, now);
    }
    const callback = chord === undefined ? undefined : this.chords.contribute(chord, now);
    if (callback !== undefined) this.#enqueueAll([callback], now);
  }

  #settle(id: string, record: string, ttlSeconds: number, now: number): void {
    this.records.keep(id, record, ttlSeconds, now);
    this.marks.forget(id);
    this.news.ended.push({ id, record: decodeRecord(record) });
  }

  // --- store ---

  #enqueueAll(items: readonly CheckedItem[], now: number): contract.EnqueueReply {
    const reply: contract.EnqueueReply = { duplicates: [], conflicts: [] };
    for (const [index, item] of items.entries()) {
      const { head, unique, ifKnown } = item;
      const isRepeat = ifKnown?.call !== undefined && !this.#remember(ifKnown.call, now);
      const rival = unique === undefined ? undefined : this.uniques.rival(unique.key, head.id, now);
      if (this.#enqueuedIds.get(head.id, now) !== undefined) {
        reply.duplicates.push(index);
        if (ifKnown !== undefined && !isRepeat) this.#tellOthers(ifKnown, now);
      } else if (rival !== undefined && unique?.onConflict !== 'replace') reply.conflicts.push({ index, id: rival });
      else this.#store(item, rival, now);
    }
    return reply;
  }

  /** False where it was known. */
  #remember(id: string, now: number): boolean {
    const isNew = this.#enqueuedIds.get(id, now) === undefined;
    this.#enqueuedIds.set(id, true, now + limits.DEDUPE_TTL_MS, now);
    return isNew;
  }

  #store({ text, head, delayMs, etaMs, unique, replaces }: CheckedItem, rival: string | undefined, now: number): void {
    this.#remember(head.id, now);
    if (rival !== undefined) this.#replace(rival, now);
    if (replaces !== undefined) this.#replace(replaces, now);
    if (unique !== undefined) this.uniques.take(unique, head.id, now);
    const stored = head.expiryIsRelative === true ? withHead(text, rules.absoluteExpiry(head, now)) : text;
    const dueAt = etaMs ?? now + delayMs;
    if (dueAt > now) this.#places.schedule(stored, dueAt);
    else this.#places.place(stored, 'tail');
  }

  /** It ends as revoked, unless it has started or ended. The record is for those who wait, the mark keeps it from starting. */
  #replace(id: string, now: number): void {
    if (this.#isOver(id, now) || this.#consumers.inFlight(id) !== undefined) return;
    this.#settle(id, encodeRecord('revoked', ''), limits.END_MARKER_TTL_MS / 1000, now);
    this.revoke({ id }, { once: true, untilMs: 0 });
  }

  #isOver(id: string, now: number): boolean {
    return this.records.has(id, now) || this.#dead.find(id, now) !== undefined;
  }
}
