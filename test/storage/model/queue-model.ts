/**
 * A queue as plain Maps: what the contract in src/runtime/storage.ts promises, and no more. What it leaves open (which of
 * several that are equal comes first) the model takes from the reply, after it has checked that it was one of them.
 */
import assert from 'node:assert/strict';
import { decodeRecord, encodeRecord, GONE_PAYLOAD, type ResultRecord } from '../../../src/runtime/completion.js';
import { decodeHead, idOf, withHead, type Head } from '../../../src/runtime/message.js';
import type { Dropped, EnqueueItem, EnqueueReply, IfKnown, Mark, MarkTarget, StepCall, StepReply } from '../../../src/runtime/storage.js';
import { textsOf } from '../world.js';
import { chargedForDeath, MARKER_SECONDS, mayStart } from './rules.js';

export type Place = { at: 'ready' } | { at: 'scheduled'; dueAt: number } | { at: 'held'; by: string; slot: boolean };

export interface Kept {
  text: string;
  place: Place;
}

export class QueueModel {
  /** The storage's clock at the last look. */
  now = 0;
  readonly messages = new Map<string, Kept>();
  readonly dead = new Map<string, { text: string; reason: string }>();
  readonly #records = new Map<string, { record: string; endsAt: number }>();
  readonly #known = new Set<string>();
  readonly #uniques = new Map<string, string>();
  readonly #idMarks = new Map<string, Mark>();
  readonly #taskMarks = new Map<string, Mark>();
  readonly #canceled = new Set<string>();
  readonly consumers = new Set<string>();

  // --- what it tells ---

  head(id: string): Head {
    return decodeHead(this.messages.get(id)?.text ?? '');
  }

  idsAt(at: Place['at']): string[] {
    return [...this.messages].filter(([, { place }]) => place.at === at).map(([id]) => id);
  }

  heldBy(consumer: string): string[] {
    return [...this.messages].filter(([, { place }]) => place.at === 'held' && place.by === consumer).map(([id]) => id);
  }

  record(id: string): ResultRecord | undefined {
    const kept = this.#records.get(id);
    return kept === undefined || kept.endsAt <= this.now ? undefined : decodeRecord(kept.record);
  }

  mark(target: MarkTarget): Mark | undefined {
    return 'id' in target ? this.#idMarks.get(target.id) : this.#taskMarks.get(target.task);
  }

  /** Those that have a slot of this key. */
  taken(key: string): number {
    return [...this.messages].filter(([id, { place }]) => place.at === 'held' && place.slot && this.head(id).slot?.key === key).length;
  }

  waitingState(id: string): 'ended' | 'running' | 'waiting' {
    if (this.record(id) !== undefined || this.dead.has(id)) return 'ended';
    return this.messages.get(id)?.place.at === 'held' ? 'running' : 'waiting';
  }

  // --- what is done to it ---

  enqueue(items: readonly EnqueueItem[]): EnqueueReply {
    const reply: EnqueueReply = { duplicates: [], conflicts: [] };
    for (const [index, item] of items.entries()) {
      const id = idOf(item.text);
      const { unique, replaces, ifKnown } = item;
      const isRepeat = ifKnown?.call !== undefined && this.#known.has(ifKnown.call);
      if (ifKnown?.call !== undefined) this.#known.add(ifKnown.call);
      const owner = unique === undefined ? undefined : this.#uniques.get(unique.key);
      const rival = owner === id ? undefined : owner;
      if (this.#known.has(id)) {
        reply.duplicates.push(index);
        if (ifKnown !== undefined && !isRepeat) this.#endAlong(ifKnown.also);
      } else if (rival !== undefined && unique?.onConflict !== 'replace') reply.conflicts.push({ index, id: rival });
      else {
        this.#known.add(id);
        if (rival !== undefined) this.#replace(rival);
        if (replaces !== undefined) this.#replace(replaces);
        if (unique !== undefined) this.#uniques.set(unique.key, id);
        this.#place(id, item.text, item.delayMs ?? 0);
      }
    }
    return reply;
  }

  /** Gives how many of the call's tasks were this consumer's. */
  commit(call: StepCall, completed: readonly string[]): number {
    let committed = 0;
    const ends = (id: string): boolean => {
      const { place } = this.messages.get(id) ?? {};
      if (place?.at !== 'held' || place.by !== call.consumer) return false;
      this.messages.delete(id);
      committed += 1;
      return true;
    };
    for (const id of completed) if (ends(id)) this.settle(id, encodeRecord('done', '1'), 100);
    for (const transition of call.transitions) {
      const { id, kind, effects } = transition;
      if (!ends(id)) continue;
      if (kind === 'requeue') this.#place(id, transition.text, this.#canceled.has(id) ? 0 : transition.delayMs);
      if (kind === 'bury') this.dead.set(id, { text: transition.text, reason: transition.reason });
      if (kind !== 'requeue') this.settle(id, transition.record, transition.ttlSeconds);
      if (effects?.freeUnique !== undefined && this.#uniques.get(effects.freeUnique) === id) this.#uniques.delete(effects.freeUnique);
      this.enqueue(effects?.enqueue ?? []);
      this.#endAlong(effects?.also);
    }
    return committed;
  }

  /** Takes from the reply what was leased and dropped, each of which must have been ready, and free or not free to start. */
  lease(call: StepCall, reply: StepReply): void {
    for (const dropped of reply.dropped) this.#drop(call, dropped);
    for (const text of [...textsOf(reply), ...(reply.solo === undefined ? [] : [reply.solo])]) {
      const id = idOf(text);
      const kept = this.#ready(id);
      assert.equal(text, kept.text, 'what is leased is the message that was stored');
      assert.equal(this.whyNot(id), undefined, `${id} may start`);
      kept.place = { at: 'held', by: call.consumer, slot: true };
    }
  }

  /** Uses up no mark. */
  whyNot(id: string): Dropped['state'] | undefined {
    const head = this.head(id);
    if (this.#canceled.has(id)) return 'canceled';
    if (this.#idMarks.has(id) || this.#taskMarks.has(head.name)) return 'revoked';
    return mayStart(head, this.now);
  }

  giveBack(ids: readonly string[], charged: boolean): void {
    for (const id of ids) {
      const kept = this.messages.get(id);
      assert.ok(kept !== undefined);
      if (charged) kept.text = withHead(kept.text, chargedForDeath(this.head(id)));
      kept.place = { at: 'ready' };
    }
  }

  /** Ready now, as the storage says; each must have been due. */
  promote(ids: readonly string[]): void {
    for (const id of ids) {
      const kept = this.messages.get(id);
      assert.ok(kept?.place.at === 'scheduled' && kept.place.dueAt <= this.now, `${id} is due`);
      kept.place = { at: 'ready' };
    }
  }

  cancel(id: string): string {
    const state = this.waitingState(id);
    if (state !== 'ended') this.#canceled.add(id);
    return state;
  }

  withdraw(id: string): string {
    const state = this.waitingState(id);
    if (state === 'waiting') this.#canceled.delete(id);
    return state;
  }

  setMark(target: MarkTarget, mark: Mark | undefined): void {
    const [marks, name] = 'id' in target ? [this.#idMarks, target.id] : [this.#taskMarks, target.task];
    if (mark === undefined) marks.delete(name);
    else marks.set(name, mark);
  }

  settle(id: string, record: string, ttlSeconds: number): void {
    this.#records.set(id, { record, endsAt: this.now + ttlSeconds * 1000 });
    this.#idMarks.delete(id);
    this.#canceled.delete(id);
  }

  removeValue(id: string): void {
    const kept = this.#records.get(id);
    if (kept !== undefined && kept.record.length > 1) kept.record = kept.record.charAt(0) + GONE_PAYLOAD;
  }

  retryDead(id: string): boolean {
    const found = this.dead.get(id);
    if (found === undefined) return false;
    this.dead.delete(id);
    this.#records.delete(id);
    this.#place(id, withHead(found.text, { ...decodeHead(found.text), lapses: 0, deaths: 0 }), 0);
    return true;
  }

  /** All but the consumers and what they hold. */
  flush(): void {
    for (const [id, { place }] of this.messages) if (place.at !== 'held') this.messages.delete(id);
    for (const room of [this.dead, this.#records, this.#known, this.#uniques, this.#idMarks, this.#taskMarks, this.#canceled]) room.clear();
  }

  #place(id: string, text: string, delayMs: number): void {
    const head = decodeHead(text);
    const stored =
      head.expiryIsRelative === true ? withHead(text, { ...head, expiresAt: head.expiresAt + this.now, expiryIsRelative: false }) : text;
    this.messages.set(id, { text: stored, place: delayMs > 0 ? { at: 'scheduled', dueAt: this.now + delayMs } : { at: 'ready' } });
  }

  #drop({ consumer, handOver }: StepCall, { id, name, state, text }: Dropped): void {
    const kept = this.#ready(id);
    const head = this.head(id);
    assert.equal(name, head.name);
    assert.equal(this.whyNot(id), state, `${id} is dropped for what keeps it from starting`);
    if (state === 'revoked') {
      const target = this.#idMarks.has(id) ? { id } : { task: head.name };
      if (this.mark(target)?.once === true) this.setMark(target, undefined);
    }
    const handed = state === 'canceled' || state === 'dead' || head.linked === true || handOver === true;
    assert.equal(text, handed ? kept.text : undefined, `${id} is ${handed ? 'handed over' : 'ended'}`);
    if (handed) {
      kept.place = { at: 'held', by: consumer, slot: false };
      if (state === 'revoked') this.setMark({ id }, { once: true, untilMs: 0 });
    } else {
      this.messages.delete(id);
      this.settle(id, encodeRecord(state, ''), MARKER_SECONDS);
    }
  }

  #ready(id: string): Kept {
    const kept = this.messages.get(id);
    assert.ok(kept?.place.at === 'ready', `${id} was ready`);
    return kept;
  }

  #endAlong(also: IfKnown['also'] = []): void {
    for (const { id, record, ttlSeconds } of also) if (this.record(id) === undefined) this.settle(id, record, ttlSeconds);
  }

  /** It ends as revoked, unless it has started or ended. */
  #replace(id: string): void {
    if (this.waitingState(id) !== 'waiting') return;
    this.settle(id, encodeRecord('revoked', ''), MARKER_SECONDS);
    this.setMark({ id }, { once: true, untilMs: 0 });
  }
}
