/** What the conformance tests stand on: a storage to look at, consumers that number their calls, messages in one line. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCompletion, encodeRecord, type FinalState, type ResultRecord } from '../../src/runtime/completion.js';
import { decodeHead, encodeMessage, idOf, SEPARATOR, type Head } from '../../src/runtime/message.js';
import type { Effects, EnqueueItem, Storage, StepCall, StepReply, Transition } from '../../src/runtime/storage.js';

/** What each kind of storage provides for one test: a queue of its own. */
export interface StorageFixture {
  /** Opened. */
  storage: Storage;
  /** Another storage on the same queue, as another process has it. */
  another(): Promise<Storage>;
  /** Puts bytes where messages are ready, as a foreign or newer writer might. */
  pushRaw(text: string): Promise<void>;
  /** Moves the storage's clock; absent where that clock is a real one. */
  advance?: (ms: number) => void;
  /** Closes everything that was opened. */
  close(): Promise<void>;
}

export type MakeFixture = () => Promise<StorageFixture>;

/** Short enough to wait for, long enough for a busy machine to beat in time. */
export const LEASE_MS = 400;
const POLL_MS = 20;
const PATIENCE_MS = 20_000;
const FAR_AHEAD_MS = 60_000;

export class World {
  readonly storage: Storage;
  readonly fixture: StorageFixture;

  constructor(fixture: StorageFixture) {
    this.fixture = fixture;
    this.storage = fixture.storage;
  }

  async consumer(id = 'c1', storage = this.storage, leaseMs = FAR_AHEAD_MS): Promise<Consumer> {
    await storage.register(id, leaseMs);
    return new Consumer(storage, id);
  }

  /** Stores messages that are ready at once. */
  async enqueue(...texts: string[]): Promise<void> {
    assert.deepEqual(await this.storage.enqueue(texts.map((text) => ({ text }))), { duplicates: [], conflicts: [] });
  }

  /** Lets time go by: the storage's where it can be moved, else everybody's. */
  async pass(ms: number): Promise<void> {
    if (this.fixture.advance === undefined) await sleep(ms);
    else this.fixture.advance(ms);
  }

  /** Looks again and again, time going by between, until there is something. */
  async until<Value>(look: () => Promise<Value | undefined | false>): Promise<Value> {
    const givesUpAt = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      assert.ok(Date.now() < givesUpAt, 'waited long for what never came');
      await this.pass(POLL_MS);
    }
  }

  /** The storage's clock. */
  async now(): Promise<number> {
    return (await this.storage.promote(0)).now;
  }

  /** What of these is ready, in the order of leasing. */
  async readyIds(): Promise<string[]> {
    return (await this.storage.list('ready', 1000)).map(({ text }) => idOf(text));
  }

  /** How much consumers hold. */
  async held(): Promise<number> {
    return (await this.storage.counts()).running;
  }

  async record(id: string): Promise<[FinalState, string] | undefined> {
    const [record] = await this.storage.readResults([id]);
    return record === undefined ? undefined : [record.state, record.payload];
  }
}

/** One life of a consumer with one lane: numbers its calls. */
export class Consumer {
  readonly storage: Storage;
  readonly id: string;
  #seq = 0;

  constructor(storage: Storage, id: string) {
    this.storage = storage;
    this.id = id;
  }

  call(parts: Partial<StepCall> = {}): StepCall {
    const defaults = { completions: [], transitions: [], chunks: 0, chunkSize: 0, solo: false };
    return { consumer: this.id, lane: 0, seq: ++this.#seq, ...defaults, ...parts };
  }

  step(parts: Partial<StepCall> = {}): Promise<StepReply> {
    return this.storage.step(this.call(parts));
  }

  /** Takes up to so many in one chunk. */
  take(most = 100): Promise<StepReply> {
    return this.step({ chunks: 1, chunkSize: most });
  }

  async takeIds(most = 100): Promise<string[]> {
    return idsOf(await this.take(most));
  }

  async takeTexts(most = 100): Promise<string[]> {
    return textsOf(await this.take(most));
  }

  /** Takes what must run alone. */
  async takeSolo(): Promise<string | undefined> {
    return (await this.step({ chunks: 1, chunkSize: 1, solo: true })).solo;
  }

  finish(...ids: string[]): Promise<StepReply> {
    return this.step({ completions: ids.map((id) => done(id)) });
  }

  /** Ends a task with what belongs to its end. */
  settle(id: string, effects: Effects = {}, state: FinalState = 'done', payload = '1'): Promise<StepReply> {
    return this.move({ kind: 'settle', id, record: encodeRecord(state, payload), ttlSeconds: 100, effects });
  }

  move(...transitions: Transition[]): Promise<StepReply> {
    return this.step({ transitions });
  }
}

export function message(id: string, head: Partial<Head> = {}, args: unknown[] = []): string {
  const plain = { name: 'job', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
  return encodeMessage({ id, ...plain, ...head }, JSON.stringify({ args, at: 1 }));
}

export function done(id: string, payload = '1', ttlSeconds = 100): Uint8Array {
  return encodeCompletion({ id, ttlSeconds, record: encodeRecord('done', payload) });
}

export function textsOf(reply: StepReply): string[] {
  return reply.chunks.flatMap(({ text, count }) => {
    const texts = text.split(SEPARATOR);
    assert.equal(texts.length, count, 'a chunk holds as many messages as it says');
    return texts;
  });
}

export function idsOf(reply: StepReply): string[] {
  return textsOf(reply).map((text) => idOf(text));
}

export function headsOf(reply: StepReply): Head[] {
  return textsOf(reply).map(decodeHead);
}

export function numbered(count: number, prefix = 't'): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(5, '0')}`);
}

/** Ids as they are generated: of one bucket, in the order of their numbers. */
export function generated(bucket: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `mb1x2k9c7f3k0q${bucket.toString(36).padStart(2, '0')}${n.toString(36).padStart(3, '0')}`);
}

export function items(ids: readonly string[]): EnqueueItem[] {
  return ids.map((id) => ({ text: message(id) }));
}

/** What a storage tells of ended tasks from now on: id -> record. */
export function tellings(storage: Storage): Map<string, ResultRecord | undefined> {
  const told = new Map<string, ResultRecord | undefined>();
  storage.listen({ onEnded: (ended) => ended.forEach(({ id, record }) => told.set(id, record)) });
  return told;
}
