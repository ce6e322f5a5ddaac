/**
 * What is in flight: the step of a consumer (commit what ended, take what is next), and giving back what a consumer
 * held. Runs inside a transaction of the engine.
 *
 * A lane's last reply is kept as numbers only: the `ord` of its first task, the sizes of its chunks, and behind them
 * what was dropped and is the consumer's to settle. The texts of a repeat are read again from what is in flight, where they still must be, since nobody was told of them.
 */
import { createHash } from 'node:crypto';
import { encodeRecord } from '../completion.js';
import { StorageRefused } from '../errors.js';
import * as limits from '../limits.js';
import type { Head } from '../message.js';
import { MESSAGE_VERSION, SEPARATOR, withHead } from '../message.js';
import type { Chunk, Dropped, StepReply } from '../storage.js';
import type { CheckedEffects, CheckedStep } from './checks.js';
import { BulkInsert } from './sqlite-bulk.js';
import type { Consumers, ConsumerRow } from './sqlite-consumers.js';
import type { SqlDatabase, SqlRow, SqlStatement, SqlValue } from './sqlite-driver.js';
import type { Marks } from './sqlite-marks.js';
import type { Places, Waiting } from './sqlite-places.js';
import { number, readWaiting } from './sqlite-places.js';
import type { EndedTask, Records } from './sqlite-records.js';
import type { Slots } from './sqlite-slots.js';
import type { Store } from './sqlite-store.js';
import { chargeLapse, spread } from './memory-rules.js';

/** The beginning of a message of another version. */
const OTHER_VERSION = new RegExp(`^\\["(?!${MESSAGE_VERSION})[0-9A-Za-z][^\\n]*$`);
const UNKNOWN_DELAY_MIN_MS = limits.SECOND_MS;
const UNKNOWN_DELAY_MAX_MS = limits.MINUTE_MS;

/** What one step looks at, where it comes upon many that it can only park: some ms, in which nobody else writes. */
const LOOK_MAX = 200;

/** A reply as it is kept: texts are replaced by positions. */
interface KeptReply extends Omit<StepReply, 'chunks' | 'solo' | 'dropped'> {
  dropped: (Omit<Dropped, 'text'> & { isHeld: boolean })[];
  hasSolo: boolean;
  firstOrd: number;
  counts: number[];
}

interface Rooms {
  consumers: Consumers;
  places: Places;
  records: Records;
  marks: Marks;
  slots: Slots;
  store: Store;
}

export class Lease {
  readonly #rooms: Rooms;
  readonly #insert: BulkInsert;
  readonly #release: SqlStatement;
  readonly #held: SqlStatement;
  readonly #given: SqlStatement;
  readonly #all: SqlStatement;
  readonly #some: SqlStatement;
  readonly #clear: SqlStatement;
  readonly #range: SqlStatement;
  readonly #lane: SqlStatement;
  readonly #keepLane: SqlStatement;
  readonly #alienSince: SqlStatement;
  readonly #noteAlien: SqlStatement;
  readonly #forgetAlien: SqlStatement;
  readonly #forgetOldAliens: SqlStatement;

  constructor(db: SqlDatabase, rooms: Rooms) {
    this.#rooms = rooms;
    this.#insert = new BulkInsert(db, 'INSERT OR REPLACE INTO inflight (consumer, id, ord, text)', 4);
    this.#release = db.prepare('DELETE FROM inflight WHERE consumer = ? AND id IN (SELECT value FROM json_each(?)) RETURNING id');
    this.#held = db.prepare('SELECT count(*) AS n FROM inflight WHERE consumer = ?');
    this.#given = db.prepare('UPDATE consumers SET given = ? WHERE key = ?');
    this.#all = db.prepare('SELECT id, text FROM inflight WHERE consumer = ? ORDER BY ord');
    this.#some = db.prepare('SELECT text FROM inflight WHERE consumer = ? AND id IN (SELECT value FROM json_each(?)) ORDER BY ord');
    this.#clear = db.prepare('DELETE FROM inflight WHERE consumer = ?');
    this.#range = db.prepare('SELECT ord, text FROM inflight WHERE consumer = ? AND ord >= ? AND ord < ? ORDER BY ord');
    this.#lane = db.prepare('SELECT seq, reply FROM lanes WHERE consumer = ? AND lane = ?');
    this.#keepLane = db.prepare('INSERT OR REPLACE INTO lanes (consumer, lane, seq, reply) VALUES (?, ?, ?, ?)');
    this.#alienSince = db.prepare('SELECT since FROM aliens WHERE sha = ?');
    this.#noteAlien = db.prepare('INSERT OR IGNORE INTO aliens (sha, since) VALUES (?, ?)');
    this.#forgetAlien = db.prepare('DELETE FROM aliens WHERE sha = ?');
    this.#forgetOldAliens = db.prepare('DELETE FROM aliens WHERE since <= ?');
  }

  /** @throws ConsumerReaped, StorageRefused */
  step(call: CheckedStep, now: number): StepReply {
    const consumer = this.#rooms.consumers.get(call.consumer);
    const kept = this.#repeated(consumer, call);
    if (kept !== undefined) return this.#restore(consumer, kept);

    const { committed, refused } = this.#commit(consumer, call, now);
    const taking = new Taking(call.handOver === true);
    if (call.chunks > 0) {
      if (call.solo) this.#takeSolo(taking, now);
      this.#take(taking, call.chunks * call.chunkSize, now);
      this.#rooms.slots.placeFreed();
      this.#putInFlight(consumer, taking);
      this.#rooms.records.settle(taking.ended, now);
    }
    const reply: StepReply = {
      now,
      chunks: spread(taking.texts, call.chunks),
      solo: taking.solo?.text,
      left: this.#rooms.places.leasable(),
      committed,
      refused,
      dropped: taking.dropped,
    };
    const { chunks, solo, dropped, ...rest } = reply;
    const keep: KeptReply = {
      ...rest,
      dropped: dropped.map(({ id, name, state, text }) => ({ id, name, state, isHeld: text !== undefined })),
      hasSolo: solo !== undefined,
      firstOrd: consumer.given,
      counts: chunks.map(({ count }) => count),
    };
    this.#keepLane.run(consumer.key, call.lane, call.seq, JSON.stringify(keep));
    return reply;
  }

  /** Whether a step would find nothing to take, so that waiting makes sense. @throws as `step` */
  findsNothing(call: CheckedStep): boolean {
    const consumer = this.#rooms.consumers.get(call.consumer);
    if (this.#repeated(consumer, call) !== undefined || call.chunks === 0) return false;
    return this.#rooms.places.leasable() === 0 && !(call.solo && this.#rooms.places.hasSuspects());
  }

  held(key: number): number {
    return number(this.#held.get(key), 'n');
  }

  heldIds(key: number): string[] {
    return this.#all.all(key).map((row) => String(row['id']));
  }

  /** Those of these ids that are in flight: back to the head, uncharged, in the order in which they were taken. */
  release(key: number, ids: readonly string[]): number {
    const list = JSON.stringify(ids);
    const back = this.#some.all(key, list).map((row) => readWaiting(String(row['text'])));
    this.#leaveSlots(this.#release.all(key, list));
    this.#rooms.places.place(back, 'head');
    return back.length;
  }

  /** All: back to the head, uncharged, in the order in which they were taken. */
  giveBack(key: number): void {
    this.#rooms.places.place(this.#takeAll(key).map(readWaiting), 'head');
  }

  /** All: back to the head, each charged with a lapse. Gives their number. */
  giveBackCharged(key: number): number {
    const back = this.#takeAll(key).map((text): Waiting => {
      const waiting = readWaiting(text);
      if (waiting.head === undefined) return waiting;
      const head = chargeLapse(waiting.head);
      return { text: withHead(text, head), head };
    });
    this.#rooms.places.place(back, 'head');
    return back.length;
  }

  /** Forgets when messages of other versions were seen that somebody else has taken long ago. */
  sweep(now: number): void {
    this.#forgetOldAliens.run(now - limits.DAY_MS);
  }

  #takeAll(key: number): string[] {
    const rows = this.#all.all(key);
    this.#clear.run(key);
    this.#leaveSlots(rows);
    return rows.map((row) => String(row['text']));
  }

  /** They were in flight and are no more; what they held before stands in front of those that are freed by it. */
  #leaveSlots(rows: readonly SqlRow[]): void {
    this.#rooms.slots.leave(rows.map((row) => String(row['id'])));
    this.#rooms.slots.placeFreed();
  }

  #repeated(consumer: ConsumerRow, call: CheckedStep): KeptReply | undefined {
    const row = this.#lane.get(consumer.key, call.lane);
    const seq = number(row, 'seq');
    if (row === undefined || call.seq > seq) return undefined;
    if (call.seq === seq) return JSON.parse(String(row['reply'])) as KeptReply;
    throw new StorageRefused(`lane ${call.lane} of consumer ${call.consumer} is at call ${seq}; call ${call.seq} comes too late`);
  }

  #restore(consumer: ConsumerRow, kept: KeptReply): StepReply {
    const { hasSolo, firstOrd, counts, dropped, ...rest } = kept;
    const total = counts.reduce((sum, count) => sum + count, (hasSolo ? 1 : 0) + dropped.filter(({ isHeld }) => isHeld).length);
    const texts = new Map(
      this.#range.all(consumer.key, firstOrd, firstOrd + total).map((row) => [number(row, 'ord'), String(row['text'])]),
    );
    let ord = firstOrd;
    const solo = hasSolo ? texts.get(ord++) : undefined;
    const chunks: Chunk[] = [];
    for (const count of counts) {
      const part: string[] = [];
      for (const end = ord + count; ord < end; ord++) {
        const text = texts.get(ord);
        if (text !== undefined) part.push(text);
      }
      if (part.length > 0) chunks.push({ text: part.join(SEPARATOR), count: part.length });
    }
    const again = dropped.flatMap(({ isHeld, ...one }): Dropped[] => {
      if (!isHeld) return [one];
      const text = texts.get(ord++);
      return text === undefined ? [] : [{ ...one, text }];
    });
    return { ...rest, chunks, solo, dropped: again };
  }

  // --- commit ---

  #commit(consumer: ConsumerRow, call: CheckedStep, now: number): { committed: number; refused: number } {
    const { completions, transitions } = call;
    if (completions.length + transitions.length === 0) return { committed: 0, refused: 0 };
    const ids = JSON.stringify([...completions.map(({ id }) => id), ...transitions.map(({ id }) => id)]);
    const own = new Set(this.#release.all(consumer.key, ids).map((row) => String(row['id'])));
    const committed = own.size;
    this.#rooms.slots.leave([...own]);

    const ended: EndedTask[] = completions.filter(({ id }) => own.delete(id));
    const head: Waiting[] = [];
    const tail: Waiting[] = [];
    const later: { text: string; dueAt: number }[] = [];
    const effects: [id: string, CheckedEffects][] = [];
    const marked = transitions.length > 0 && this.#rooms.marks.any();
    for (const move of transitions) {
      if (!own.delete(move.id)) continue;
      if (move.effects !== undefined) effects.push([move.id, move.effects]);
      if (move.kind === 'requeue') {
        if (move.delayMs > 0 && !(marked && this.#rooms.marks.isCanceled(move.id, now)))
          later.push({ text: move.text, dueAt: now + move.delayMs });
        else (move.at === 'head' ? head : tail).push(move);
        continue;
      }
      ended.push(move);
      if (move.kind === 'bury') this.#rooms.records.bury(move.id, move.text, move.reason, now);
    }
    this.#rooms.records.settle(ended, now);
    this.#rooms.places.schedule(later);
    this.#rooms.places.place(tail, 'tail');
    // What is given back was there before those who are freed by it.
    this.#rooms.slots.placeFreed();
    this.#rooms.places.place(head, 'head');
    for (const [id, effect] of effects) this.#rooms.store.apply(id, effect, now);
    return { committed, refused: completions.length + transitions.length - committed };
  }

  // --- take ---

  #takeSolo(taking: Taking, now: number): void {
    const marked = this.#rooms.marks.any();
    for (let text = this.#rooms.places.takeSuspect(); text !== undefined; text = this.#rooms.places.takeSuspect()) {
      const head = this.#accept(text, taking, now, marked);
      if (head === undefined || !this.#rooms.slots.take(text, head)) continue;
      taking.solo = { text, id: head.id };
      return;
    }
  }

  #take(taking: Taking, most: number, now: number): void {
    const leasable = this.#rooms.places.leasable();
    if (leasable === 0) return;
    const fairShare = Math.max(1, Math.ceil(leasable / Math.max(1, this.#rooms.consumers.count())));
    const marked = this.#rooms.marks.any();
    let looked = 0;
    // As many more as were parked: those behind them shall not wait for the next step.
    for (let want = Math.min(most, fairShare), parked = 0; want > 0 && looked < LOOK_MAX; want = parked, parked = 0) {
      looked += want;
      for (const text of this.#rooms.places.take(want)) {
        const head = this.#accept(text, taking, now, marked);
        if (head === undefined) continue;
        if (!this.#rooms.slots.take(text, head)) {
          parked++;
          continue;
        }
        taking.texts.push(text);
        taking.ids.push(head.id);
      }
    }
  }

  /** The head of a task that may start now; everything else is dropped, buried or scheduled again here. */
  #accept(text: string, taking: Taking, now: number, marked: boolean): Head | undefined {
    const { head } = readWaiting(text);
    if (head === undefined) {
      this.#setAside(text, taking, now);
      return undefined;
    }
    const state = this.#whyNot(head, now, marked);
    if (state === undefined) return head;
    const { id, name } = head;
    this.#rooms.slots.giveUp(head);
    if (state !== 'dead' && state !== 'canceled' && head.linked !== true && !taking.handOver) {
      taking.ended.push({ id, record: encodeRecord(state, ''), ttlSeconds: limits.END_MARKER_TTL_MS / 1000 });
      taking.dropped.push({ id, name, state });
      return undefined;
    }
    // Where the consumer dies before it has settled it, the next one must come to the same.
    if (state === 'revoked') this.#rooms.marks.set({ id }, { once: true, untilMs: 0 }, now);
    taking.dropped.push({ id, name, state, text });
    return undefined;
  }

  #whyNot(head: Head, now: number, marked: boolean): Dropped['state'] | undefined {
    if (marked && this.#rooms.marks.isCanceled(head.id, now)) return 'canceled';
    if (marked && this.#rooms.marks.skips(head, now)) return 'revoked';
    if (head.expiresAt !== 0 && head.expiresAt <= now) return 'expired';
    return head.deaths > limits.DEATHS_MAX ? 'dead' : undefined;
  }

  /** What cannot be read: of another version it waits a while for a consumer that can, everything else is dead. */
  #setAside(text: string, taking: Taking, now: number): void {
    const isOtherVersion = OTHER_VERSION.test(text);
    const sha = createHash('sha1').update(text).digest('hex');
    const row = this.#alienSince.get(sha);
    const since = row === undefined ? now : number(row, 'since');
    if (isOtherVersion && now - since < limits.UNKNOWN_TASK_TTL_MS) {
      this.#noteAlien.run(sha, since);
      const delayMs = Math.min(Math.max(now - since, UNKNOWN_DELAY_MIN_MS), UNKNOWN_DELAY_MAX_MS);
      this.#rooms.places.schedule([{ text, dueAt: now + delayMs }]);
      return;
    }
    this.#forgetAlien.run(sha);
    this.#rooms.records.bury(sha, text, isOtherVersion ? 'unknown version' : 'malformed', now);
    taking.dropped.push({ id: sha, name: '', state: 'dead' });
  }

  #putInFlight(consumer: ConsumerRow, { solo, texts, ids, dropped }: Taking): void {
    const values: SqlValue[] = [];
    let ord = consumer.given;
    if (solo !== undefined) values.push(consumer.key, solo.id, ord++, solo.text);
    for (const [at, text] of texts.entries()) values.push(consumer.key, ids[at] ?? '', ord++, text);
    for (const { id, text } of dropped) if (text !== undefined) values.push(consumer.key, id, ord++, text);
    if (ord === consumer.given) return;
    this.#insert.run(values);
    this.#given.run(ord, consumer.key);
  }
}

/** What one step takes. */
class Taking {
  readonly handOver: boolean;
  solo: { text: string; id: string } | undefined;
  readonly texts: string[] = [];
  readonly ids: string[] = [];
  readonly dropped: Dropped[] = [];
  readonly ended: EndedTask[] = [];

  constructor(handOver: boolean) {
    this.handOver = handOver;
  }
}
