/**
 * The supervisor's storage as seen from a thread: no second connection, and only the verbs of a producer. The ends of
 * tasks that are waited for, and events where they are wanted, come back over the same port. Most tasks never ask for the
 * storage: what it takes to call it is loaded by the first call, and not by each start of a thread.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ActorRef } from '../runtime/actor-ref.js';
import type { CancelState, CancelVerbs, WaitingMessage } from '../runtime/canceling.js';
import type { ResultRecord } from '../runtime/completion.js';
import { COMMAND_TIMEOUT_MS } from '../runtime/limits.js';
import type * as contract from '../runtime/storage.js';

export type PortVerbs = Omit<contract.ProducerStorage, 'listen' | 'unwatch'> & { unwatch(ids: readonly string[]): void };

const VERBS = [
  'enqueue',
  'readResults',
  'removeResults',
  'watch',
  'unwatch',
  'revoke',
  'restore',
  'readMark',
  'cancel',
  'withdrawCancel',
  'findWaiting',
  'endWaiting',
  'counts',
  'readChord',
  'freeUnique',
  'acquireLock',
  'extendLock',
  'releaseLock',
  'isLocked',
  'flushLocks',
  'rateLimit',
  'resetRate',
  'putKey',
  'getKey',
  'deleteKey',
  'list',
  'results',
  'resultCount',
  'retryDead',
  'dropDead',
  'flush',
  'setNote',
  'readNote',
  'publishEvents',
  'listenToEvents',
  'eventsWanted',
] as const satisfies readonly (keyof PortVerbs)[];
/** The storage has its own deadline; this one only catches a supervisor that is gone. */
const DEADLINE_MS = 2 * COMMAND_TIMEOUT_MS;

export type Ended = readonly { id: string; record?: ResultRecord }[];
/** What comes over the port without being asked for. */
export type Told = { ended?: Ended; events?: readonly string[]; gap?: boolean } | null;

/** In the thread. */
export class PortStorage implements contract.ProducerStorage {
  readonly #port: MessagePort;
  #connected: Promise<ActorRef<PortVerbs>> | undefined;
  #events: contract.StorageEvents = {};

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: unknown) => {
      const told = message as Told;
      if (told?.ended) this.#events.onEnded?.(told.ended);
      if (told?.events) this.#events.onEvents?.(told.events, told.gap === true);
    });
  }

  listen(events: contract.StorageEvents): void {
    this.#events = events;
  }

  async enqueue(items: readonly contract.EnqueueItem[], chords: readonly contract.ChordPlan[] = []): Promise<contract.EnqueueReply> {
    return (await this.#remote).enqueue(items, chords);
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    return (await this.#remote).readResults(ids);
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    return (await this.#remote).removeResults(ids);
  }

  async watch(ids: readonly string[]): Promise<readonly string[]> {
    return (await this.#remote).watch(ids);
  }

  unwatch(ids: readonly string[]): void {
    // A watch that outlives its waiter costs the supervisor a few bytes until the thread ends.
    this.#remote.then((remote) => remote.unwatch(ids)).catch(() => undefined);
  }

  async revoke(target: contract.MarkTarget, mark: contract.Mark): Promise<void> {
    return (await this.#remote).revoke(target, mark);
  }

  async restore(target: contract.MarkTarget): Promise<boolean> {
    return (await this.#remote).restore(target);
  }

  async readMark(target: contract.MarkTarget): Promise<contract.Mark | undefined> {
    return (await this.#remote).readMark(target);
  }

  async cancel(id: string): Promise<CancelState> {
    return (await this.#remote).cancel(id);
  }

  async withdrawCancel(id: string): Promise<CancelState> {
    return (await this.#remote).withdrawCancel(id);
  }

  async findWaiting(id: string): Promise<WaitingMessage | undefined> {
    return (await this.#remote).findWaiting(id);
  }

  async endWaiting(message: WaitingMessage, transition: Parameters<CancelVerbs['endWaiting']>[1]): Promise<boolean> {
    return (await this.#remote).endWaiting(message, transition);
  }

  async counts(): Promise<contract.Counts> {
    return (await this.#remote).counts();
  }

  async readChord(id: string): Promise<(string | undefined)[]> {
    return (await this.#remote).readChord(id);
  }

  async freeUnique(key: string, id: string): Promise<void> {
    return (await this.#remote).freeUnique(key, id);
  }

  async acquireLock(name: string, owner: contract.LockOwner): Promise<boolean> {
    return (await this.#remote).acquireLock(name, owner);
  }

  async extendLock(name: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.#remote).extendLock(name, token, leaseMs);
  }

  async releaseLock(name: string, token: string): Promise<boolean> {
    return (await this.#remote).releaseLock(name, token);
  }

  async isLocked(name: string): Promise<boolean> {
    return (await this.#remote).isLocked(name);
  }

  async flushLocks(names?: readonly string[]): Promise<string[]> {
    return (await this.#remote).flushLocks(names);
  }

  async rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<contract.RateReply> {
    return (await this.#remote).rateLimit(name, limit, perMs, count);
  }

  async resetRate(name: string): Promise<void> {
    return (await this.#remote).resetRate(name);
  }

  async putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean> {
    return (await this.#remote).putKey(key, text, ifEmpty);
  }

  async getKey(key: string, take: boolean): Promise<string | undefined> {
    return (await this.#remote).getKey(key, take);
  }

  async deleteKey(key: string): Promise<boolean> {
    return (await this.#remote).deleteKey(key);
  }

  async list(place: contract.Place, limit: number): Promise<contract.Listed[]> {
    return (await this.#remote).list(place, limit);
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    return (await this.#remote).results(limit);
  }

  async resultCount(): Promise<number> {
    return (await this.#remote).resultCount();
  }

  async retryDead(id: string): Promise<boolean> {
    return (await this.#remote).retryDead(id);
  }

  async dropDead(id: string): Promise<boolean> {
    return (await this.#remote).dropDead(id);
  }

  async flush(): Promise<void> {
    return (await this.#remote).flush();
  }

  async setNote(id: string, kind: contract.NoteKind, text: string, ttlSeconds: number): Promise<void> {
    return (await this.#remote).setNote(id, kind, text, ttlSeconds);
  }

  async readNote(id: string, kind: contract.NoteKind): Promise<string | undefined> {
    return (await this.#remote).readNote(id, kind);
  }

  async publishEvents(events: readonly string[]): Promise<void> {
    return (await this.#remote).publishEvents(events);
  }

  async listenToEvents(on: boolean): Promise<void> {
    return (await this.#remote).listenToEvents(on);
  }

  async eventsWanted(): Promise<boolean> {
    return (await this.#remote).eventsWanted();
  }

  close(): void {
    this.#port.close();
  }

  get #remote(): Promise<ActorRef<PortVerbs>> {
    return (this.#connected ??= this.#connect());
  }

  async #connect(): Promise<ActorRef<PortVerbs>> {
    const { connectActor } = await import('../runtime/actor-ref.js');
    return connectActor<PortVerbs>(this.#port, { name: 'the supervisor', methods: VERBS, deadlineMs: DEADLINE_MS });
  }
}
