/**
 * Storing new messages, and what belongs to the end of a task and applies together with it. Runs inside a transaction
 * of the engine.
 */
import { encodeRecord } from '../completion.js';
import * as limits from '../limits.js';
import { withHead } from '../message.js';
import type { Effects, EnqueueReply, IfKnown } from '../storage.js';
import type { CheckedEffects, CheckedItem } from './checks.js';
import type { Chords } from './sqlite-chords.js';
import type { SqlDatabase, SqlStatement } from './sqlite-driver.js';
import type { Marks } from './sqlite-marks.js';
import type { Places, Waiting } from './sqlite-places.js';
import type { Records } from './sqlite-records.js';
import type { Seen } from './sqlite-seen.js';
import type { Uniques } from './sqlite-uniques.js';

interface Rooms {
  places: Places;
  records: Records;
  marks: Marks;
  seen: Seen;
  uniques: Uniques;
  chords: Chords;
}

export class Store {
  readonly #rooms: Rooms;
  readonly #inFlight: SqlStatement;

  constructor(db: SqlDatabase, rooms: Rooms) {
    this.#rooms = rooms;
    this.#inFlight = db.prepare('SELECT 1 FROM inflight WHERE consumer IN (SELECT key FROM consumers) AND id = ?');
  }

  store(items: readonly CheckedItem[], now: number): EnqueueReply {
    const reply: EnqueueReply = { duplicates: [], conflicts: [] };
    const ready: Waiting[] = [];
    const later: { text: string; dueAt: number }[] = [];
    const ids = items.map(({ head }) => head.id);
    const repeated = this.#repeated(items, now);
    const known: IfKnown[] = [];
    this.#rooms.seen.each(ids, now, (isNew, index) => {
      const item = items[index];
      if (item === undefined) return false;
      if (!isNew) {
        if (item.ifKnown !== undefined && !repeated.has(item.ifKnown)) known.push(item.ifKnown);
        reply.duplicates.push(index);
        return false;
      }
      const rival = this.#claim(item, now);
      if (rival !== undefined) {
        reply.conflicts.push({ index, id: rival });
        return false;
      }
      const { text, head, delayMs, etaMs } = item;
      const stored =
        head.expiryIsRelative === true ? withHead(text, { ...head, expiresAt: now + head.expiresAt, expiryIsRelative: false }) : text;
      const dueAt = etaMs ?? now + delayMs;
      if (dueAt > now) later.push({ text: stored, dueAt });
      else ready.push({ text: stored, head });
      return true;
    });
    this.#rooms.places.schedule(later);
    this.#rooms.places.place(ready, 'tail');
    for (const others of known) this.#tellOthers(others, now);
    return reply;
  }

  /** Of a consumer that is registered. */
  isInFlight(id: string): boolean {
    return this.#inFlight.get(id) !== undefined;
  }

  apply(id: string, effects: CheckedEffects, now: number): void {
    const { enqueue, endChord, freeUnique } = effects;
    if (freeUnique !== undefined) this.#rooms.uniques.free(freeUnique, id);
    if (enqueue.length > 0) this.store(enqueue, now);
    this.#tellOthers(effects, now);
    if (endChord !== undefined) this.#rooms.chords.end(endChord, now);
  }

  /** Whose end or count depends on this one. */
  #tellOthers({ also = [], chord }: Pick<Effects, 'also' | 'chord'>, now: number): void {
    this.#rooms.records.settleNew(also, now);
    const callback = chord === undefined ? undefined : this.#rooms.chords.contribute(chord, now);
    if (callback !== undefined) this.store([callback], now);
  }

  /** Those whose call was made before, and its reply lost. */
  #repeated(items: readonly CheckedItem[], now: number): Set<IfKnown> {
    const calls = items.flatMap(({ ifKnown }) => (ifKnown?.call === undefined ? [] : { ifKnown, id: ifKnown.call }));
    const repeated = new Set<IfKnown>();
    this.#rooms.seen.each(
      calls.map(({ id }) => id),
      now,
      (isNew, position) => {
        const call = calls[position];
        if (call !== undefined && !isNew) repeated.add(call.ifKnown);
        return true;
      },
    );
    return repeated;
  }

  /** Gives who has the item's unique key, where that keeps it from being stored. */
  #claim({ head, unique, replaces }: CheckedItem, now: number): string | undefined {
    const rival = unique === undefined ? undefined : this.#rooms.uniques.rival(unique.key, head.id, now);
    if (rival !== undefined) {
      if (unique?.onConflict !== 'replace') return rival;
      this.#replace(rival, now);
    }
    if (replaces !== undefined) this.#replace(replaces, now);
    if (unique !== undefined) this.#rooms.uniques.take(unique, head.id, now);
    return undefined;
  }

  /** It ends as revoked, unless it has started or ended. The record is for those who wait, the mark keeps it from starting. */
  #replace(id: string, now: number): void {
    const { records, marks, places } = this.#rooms;
    if (records.has(id, now) || records.findDead(id, now) !== undefined || this.isInFlight(id)) return;
    records.settle([{ id, record: encodeRecord('revoked', ''), ttlSeconds: limits.END_MARKER_TTL_MS / 1000 }], now);
    marks.set({ id }, { once: true, untilMs: 0 }, now, places.dueOf(id, now));
  }
}
