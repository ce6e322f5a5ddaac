/**
 * The embedded storage: one SQLite file for each queue, shared by all processes of one machine. This is its face in
 * the calling thread; the work is done in a storage thread of its own (sqlite-thread.ts), which starts with the first
 * call. A process that was killed has lost nothing that was acknowledged; sqlite-schema.ts says what a power cut may
 * take. The clock is this machine's: all processes share it.
 */
import { resolve } from 'node:path';
import { decodeRecord } from '../completion.js';
import type { CancelState, WaitingMessage } from '../canceling.js';
import type { ResultRecord } from '../completion.js';
import { ConfigurationError, StorageUnavailable } from '../errors.js';
import type { Finding } from '../finding.js';
import type * as contract from '../storage.js';
import { checkCount, checkNumber } from './checks.js';
import { SEARCH_START, type SearchCursor } from './sqlite-cancels.js';
import { SqliteClient } from './sqlite-client.js';
import { examineFile } from './sqlite-file-check.js';
import type { ArgumentsOf, ReplyOf } from './sqlite-protocol.js';
import type { Verb } from './sqlite-engine.js';

export interface SqliteOptions {
  /** The time in ms since 1970 in shared memory, for tests that move it; absent: this machine's clock. */
  clock?: BigInt64Array;
}

export class SqliteStorage implements contract.Storage {
  readonly kind = 'sqlite';
  readonly address: string;
  readonly #path: string;
  readonly #client: SqliteClient;
  #events: contract.StorageEvents = {};
  #isClosed = false;
  #isWaiting = false;

  /** @param filename is made where it is missing, and its folder too. @throws ConfigurationError */
  constructor(queue: string, filename: string, options: SqliteOptions = {}) {
    if (typeof filename !== 'string' || filename === '' || filename.startsWith(':')) {
      throw new ConfigurationError('the SQLite storage needs the name of a file; use MemoryHuey for a queue that is not kept');
    }
    const path = resolve(filename);
    this.#path = path;
    this.address = `sqlite:${path}`;
    this.#client = new SqliteClient(
      { queue, filename: path, ...options },
      {
        onEnded: (ended) =>
          this.#events.onEnded?.(ended.map(({ id, record }) => (record === undefined ? { id } : { id, record: decodeRecord(record) }))),
        onEvents: (events, gap) => this.#events.onEvents?.(events, gap),
        onScheduled: () => this.#events.onScheduled?.(),
        onCancel: (ids) => this.#events.onCancel?.(ids),
        onReload: (reloads) => this.#events.onReload?.(reloads),
        onOutage: (lost, error) => this.#events.onOutage?.(lost, error),
      },
    );
  }

  async open(): Promise<void> {
    this.#isClosed = false;
    await this.#client.open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#client.close();
  }

  listen(events: contract.StorageEvents): void {
    this.#events = events;
    this.#client.tellConsumer([events.onScheduled, events.onCancel, events.onReload].some((listener) => listener !== undefined));
  }

  async enqueue(items: readonly contract.EnqueueItem[], chords: readonly contract.ChordPlan[] = []): Promise<contract.EnqueueReply> {
    return this.#call('enqueue', [items, chords]);
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    return this.#call('readResults', [ids]);
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    await this.#call('removeResults', [ids]);
  }

  async watch(ids: readonly string[]): Promise<readonly string[]> {
    this.#checkOpen();
    await this.#client.watch(ids);
    return ids;
  }

  unwatch(ids: readonly string[]): void {
    this.#client.unwatch(ids);
  }

  async revoke(target: contract.MarkTarget, mark: contract.Mark): Promise<void> {
    await this.#call('revoke', [target, mark]);
  }

  async restore(target: contract.MarkTarget): Promise<boolean> {
    return this.#call('restore', [target]);
  }

  async readMark(target: contract.MarkTarget): Promise<contract.Mark | undefined> {
    return this.#call('readMark', [target]);
  }

  async cancel(id: string): Promise<CancelState> {
    return this.#call('cancel', [id]);
  }

  async withdrawCancel(id: string): Promise<CancelState> {
    return this.#call('withdrawCancel', [id]);
  }

  async findWaiting(id: string): Promise<WaitingMessage | undefined> {
    for (let from: SearchCursor | undefined = SEARCH_START; from !== undefined;) {
      const { found, next }: { found: WaitingMessage | undefined; next: SearchCursor | undefined } = await this.#call('lookForWaiting', [
        id,
        from,
      ]);
      if (found !== undefined) return found;
      from = next;
    }
    return undefined;
  }

  async endWaiting(message: WaitingMessage, transition: contract.Transition): Promise<boolean> {
    return this.#call('endWaiting', [message, transition]);
  }

  async counts(): Promise<contract.Counts> {
    return this.#call('counts', []);
  }

  async readChord(id: string): Promise<(string | undefined)[]> {
    return this.#call('readChord', [id]);
  }

  async freeUnique(key: string, id: string): Promise<void> {
    await this.#call('freeUnique', [key, id]);
  }

  async acquireLock(name: string, owner: contract.LockOwner): Promise<boolean> {
    return this.#call('acquireLock', [name, owner]);
  }

  async extendLock(name: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#call('extendLock', [name, token, leaseMs]);
  }

  async releaseLock(name: string, token: string): Promise<boolean> {
    return this.#call('releaseLock', [name, token]);
  }

  async isLocked(name: string): Promise<boolean> {
    return this.#call('isLocked', [name]);
  }

  async flushLocks(names?: readonly string[]): Promise<string[]> {
    return this.#call('flushLocks', [names]);
  }

  async rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<contract.RateReply> {
    return this.#call('rateLimit', [name, limit, perMs, count]);
  }

  async resetRate(name: string): Promise<void> {
    await this.#call('resetRate', [name]);
  }

  async putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean> {
    return this.#call('putKey', [key, text, ifEmpty]);
  }

  async getKey(key: string, take: boolean): Promise<string | undefined> {
    return this.#call('getKey', [key, take]);
  }

  async deleteKey(key: string): Promise<boolean> {
    return this.#call('deleteKey', [key]);
  }

  async list(place: contract.Place, limit: number): Promise<contract.Listed[]> {
    return this.#call('list', [place, limit]);
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    return this.#call('results', [limit]);
  }

  async resultCount(): Promise<number> {
    return this.#call('resultCount', []);
  }

  async retryDead(id: string): Promise<boolean> {
    return this.#call('retryDead', [id]);
  }

  async dropDead(id: string): Promise<boolean> {
    return this.#call('dropDead', [id]);
  }

  async flush(): Promise<void> {
    await this.#call('flush', []);
  }

  async setNote(id: string, kind: contract.NoteKind, text: string, ttlSeconds: number): Promise<void> {
    await this.#call('setNote', [id, kind, text, ttlSeconds]);
  }

  async readNote(id: string, kind: contract.NoteKind): Promise<string | undefined> {
    return this.#call('readNote', [id, kind]);
  }

  async publishEvents(events: readonly string[]): Promise<void> {
    await this.#call('publishEvents', [events]);
  }

  async listenToEvents(on: boolean): Promise<void> {
    this.#checkOpen();
    await this.#client.listenToEvents(on);
  }

  async eventsWanted(): Promise<boolean> {
    return this.#call('eventsWanted', []);
  }

  async examine(): Promise<Finding[]> {
    await this.#client.open();
    return examineFile(this.#path);
  }

  async register(consumer: string, leaseMs: number, instance?: contract.InstanceClaim): Promise<contract.RegisterReply> {
    return this.#call('register', [consumer, leaseMs, instance]);
  }

  async step(call: contract.StepCall): Promise<contract.StepReply> {
    return this.#step(call);
  }

  async waitAndStep(call: contract.StepCall, waitMs: number): Promise<contract.StepReply> {
    if (this.#isWaiting) throw new ConfigurationError('a storage waits for one consumer at a time; use another storage');
    checkNumber('waitMs', waitMs);
    this.#isWaiting = true;
    try {
      return await this.#step(call, waitMs);
    } finally {
      this.#isWaiting = false;
    }
  }

  interrupt(): void {
    if (this.#isWaiting) this.#client.interrupt();
  }

  async beat(consumer: string, leaseMs: number): Promise<contract.BeatReply> {
    return this.#call('beat', [consumer, leaseMs], { consumer });
  }

  async requestReload(): Promise<number> {
    return this.#call('requestReload', []);
  }

  async heldIds(consumer: string): Promise<string[]> {
    return this.#call('heldIds', [consumer]);
  }

  async release(consumer: string, ids: readonly string[]): Promise<number> {
    return this.#call('release', [consumer, ids]);
  }

  async unregister(consumer: string): Promise<void> {
    await this.#call('unregister', [consumer]);
  }

  async reap(leaseMs: number): Promise<contract.ReapReply> {
    return this.#call('reap', [leaseMs]);
  }

  async promote(limit: number): Promise<contract.PromoteReply> {
    return this.#call('promote', [limit]);
  }

  async tick(call: contract.TickCall): Promise<boolean> {
    return this.#call('tick', [call]);
  }

  async lastTicks(tasks: readonly string[]): Promise<(number | undefined)[]> {
    return this.#call('lastTicks', [tasks]);
  }

  async skipTicks(tasks: readonly string[], minuteMs: number): Promise<void> {
    await this.#call('skipTicks', [tasks, checkCount('minuteMs', minuteMs)]);
  }

  /** Puts bytes where messages are ready, as a foreign or newer writer might; for tests. */
  async pushRaw(text: string): Promise<void> {
    await this.#call('pushRaw', [text]);
  }

  /**
   * The bytes of the workers lie in buffers that live on (and that a repeat sends again): they are copied into one
   * that is handed over.
   */
  async #step(call: contract.StepCall, waitMs?: number): Promise<contract.StepReply> {
    const bytes = new Uint8Array(call.completions.reduce((sum, part) => sum + part.byteLength, 0));
    let at = 0;
    for (const part of call.completions) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    return this.#call('step', [{ ...call, completions: bytes.byteLength === 0 ? [] : [bytes] }], {
      consumer: call.consumer,
      transfer: bytes.buffer,
      ...(waitMs === undefined ? {} : { waitMs }),
    });
  }

  async #call<V extends Verb>(
    verb: V,
    args: ArgumentsOf<V>,
    options: { consumer?: string; waitMs?: number; transfer?: ArrayBuffer } = {},
  ): Promise<ReplyOf<V>> {
    this.#checkOpen();
    return this.#client.call(verb, args, options);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StorageUnavailable(`${this.address} is closed`);
  }
}
