/**
 * What a Huey needs of a queue in Redis: each verb as one call of a script, and, over a connection of its own, the news of
 * who has ended.
 */
import type { CancelState, WaitingMessage } from '../canceling.js';
import { checkId } from '../ids.js';
import { decodeRecord, type ResultRecord } from '../completion.js';
import { idOf } from '../message.js';
import type {
  ChordPlan,
  Counts,
  EnqueueItem,
  EnqueueReply,
  Listed,
  LockOwner,
  Mark,
  MarkTarget,
  NoteKind,
  Place,
  ProducerStorage,
  RateReply,
  StorageEvents,
  Transition,
} from '../storage.js';
import { checkCount, checkLease, checkLockName, checkMark, checkOwner, checkTarget } from './checks.js';
import { endArguments, isPlainItem, whenOf } from './redis-arguments.js';
import { WAITING_PLACES } from './redis-cancel-scripts.js';
import { RedisConnection, type RedisArgument, type RedisSpec } from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';
import { RedisListing } from './redis-listing.js';
import type { ScriptName } from './redis-scripts.js';
import { RedisSubscriptions } from './redis-subscriptions.js';

export abstract class RedisProducer implements ProducerStorage {
  readonly keys: RedisKeys;
  protected readonly commands: RedisConnection;
  protected readonly subscriptions: RedisSubscriptions;
  readonly #listing: RedisListing;
  #events: StorageEvents = {};
  #outage = false;

  constructor(queue: string, spec: RedisSpec) {
    this.keys = new RedisKeys(queue);
    this.commands = new RedisConnection(spec, this.keys.ready, {
      onLost: (error) => this.#noteOutage(true, error),
      onReady: () => this.#noteOutage(false),
    });
    this.subscriptions = new RedisSubscriptions(this.keys, spec, () => this.#events);
    this.#listing = new RedisListing(this.keys, this.commands);
  }

  listen(events: StorageEvents): void {
    this.#events = events;
    if (events.onScheduled || events.onCancel || events.onReload) this.subscriptions.watchControl();
  }

  async enqueue(items: readonly EnqueueItem[], chords: readonly ChordPlan[] = []): Promise<EnqueueReply> {
    if (items.length === 0 && chords.length === 0) return { duplicates: [], conflicts: [] };
    if (chords.length === 0 && items.every(isPlainItem)) {
      const duplicates = await this.#enqueuePlain(items.map(({ text }) => text));
      if (duplicates !== null) return { duplicates, conflicts: [] };
    }
    const args: string[] = [chords.length === 0 ? '' : JSON.stringify(chords)];
    for (const item of items) args.push(item.text, whenOf(item));
    const reply = (await this.call('hueyEnqueue', ...args)) as (number | string)[];
    const firstText = reply.findIndex((value) => typeof value === 'string');
    const duplicates = (firstText < 0 ? reply : reply.slice(0, firstText)) as number[];
    const conflicts: EnqueueReply['conflicts'] = [];
    if (firstText >= 0) {
      for (let i = firstText; i + 1 < reply.length; i += 2) conflicts.push({ index: Number(reply[i]), id: String(reply[i + 1]) });
    }
    return { duplicates, conflicts };
  }

  /** Null where the short script did not take them. */
  async #enqueuePlain(texts: readonly string[]): Promise<number[] | null> {
    const [first = ''] = texts;
    const only = texts.length === 1 ? idOf(first) : undefined;
    if (only !== undefined) this.subscriptions.enqueuing(only);
    const duplicates = (await this.call('hueyEnqueuePlain', ...texts)) as number[] | null;
    if (only !== undefined && duplicates?.length === 0) this.subscriptions.openEnds.stored(only);
    return duplicates;
  }

  async readResults(ids: readonly string[]): Promise<(ReturnType<typeof decodeRecord> | undefined)[]> {
    if (ids.length === 0) return [];
    const records = (await this.call('hueyReadResults', ...ids)) as string[];
    return records.map((record) => (record === '' ? undefined : decodeRecord(record)));
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.call('hueyRemoveResults', ...ids);
  }

  async watch(ids: readonly string[]): Promise<readonly string[]> {
    return this.subscriptions.watch(ids);
  }

  unwatch(ids: readonly string[]): void {
    this.subscriptions.unwatch(ids);
  }

  async revoke(target: MarkTarget, mark: Mark): Promise<void> {
    await this.call('hueyRevoke', ...fieldOf(target), checkMark(mark).untilMs, mark.once ? 1 : 0);
  }

  async restore(target: MarkTarget): Promise<boolean> {
    return (await this.call('hueyReadMark', ...fieldOf(target), 1)) !== '';
  }

  async readMark(target: MarkTarget): Promise<Mark | undefined> {
    const mark = (await this.call('hueyReadMark', ...fieldOf(target), 0)) as string;
    return mark === '' ? undefined : { untilMs: Number(mark.slice(0, 13)), once: mark.charAt(13) === '1' };
  }

  async cancel(id: string): Promise<CancelState> {
    return (await this.call('hueyCancel', checkId(id))) as CancelState;
  }

  async withdrawCancel(id: string): Promise<CancelState> {
    return (await this.call('hueyWithdrawCancel', checkId(id))) as CancelState;
  }

  async findWaiting(id: string): Promise<WaitingMessage | undefined> {
    checkId(id);
    for (const at of WAITING_PLACES) {
      for (let cursor = '0'; cursor !== '';) {
        const [text, next] = (await this.call('hueyLookForWaiting', id, at, cursor)) as [string, string];
        if (text !== '') return { text, at };
        cursor = next;
      }
    }
    return undefined;
  }

  async endWaiting(message: WaitingMessage, transition: Transition): Promise<boolean> {
    return (await this.call('hueyEndWaiting', ...endArguments(message, transition))) === 1;
  }

  async counts(): Promise<Counts> {
    const p = this.keys.prefix;
    return this.commands.run(async (client) => {
      const consumers = await client.zrange(`${p}consumers`, '0', '-1');
      const [ready, suspects, hi, lo, parked, scheduled, dead, ...held] = await Promise.all([
        client.llen(`${p}ready`),
        client.llen(`${p}suspects`),
        client.zcard(`${p}hi`),
        client.zcard(`${p}lo`),
        client.hlen(`${p}parked`),
        client.zcard(`${p}scheduled`),
        client.hlen(`${p}dead`),
        ...consumers.map((consumer) => this.call('hueyHeldCount', consumer)),
      ]);
      // A ring stands in the list like a message; it never stands beside one for long.
      const rings = ready > 0 && (await client.lindex(`${p}ready`, 0)) === '' ? 1 : 0;
      const running = held.reduce<number>((sum, count) => sum + Number(count), 0);
      return { ready: ready - rings + suspects + hi + lo + parked, scheduled, running, dead, consumers: consumers.length };
    });
  }

  async readChord(id: string): Promise<(string | undefined)[]> {
    const values = (await this.call('hueyReadChord', id)) as string[];
    return values.map((value) => (value === '' ? undefined : value));
  }

  async freeUnique(key: string, id: string): Promise<void> {
    await this.call('hueyFreeUnique', key, id);
  }

  async acquireLock(name: string, owner: LockOwner): Promise<boolean> {
    const { token, leaseMs, run } = checkOwner(owner);
    const args = [leaseMs ?? '', run?.consumer ?? '', run?.id ?? '', run?.run ?? ''];
    return (await this.call('hueyAcquireLock', checkLockName(name), token, ...args)) === 1;
  }

  async extendLock(name: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.call('hueyExtendLock', checkLockName(name), token, checkLease(leaseMs))) === 1;
  }

  async releaseLock(name: string, token: string): Promise<boolean> {
    return (await this.call('hueyReleaseLock', checkLockName(name), token)) === 1;
  }

  async isLocked(name: string): Promise<boolean> {
    return (await this.call('hueyIsLocked', checkLockName(name))) === 1;
  }

  async flushLocks(names: readonly string[] = []): Promise<string[]> {
    return (await this.call('hueyFlushLocks', ...names.map(checkLockName))) as string[];
  }

  async rateLimit(name: string, limit: number, perMs: number, count: boolean): Promise<RateReply> {
    const args = [checkLockName(name), checkCount('limit', limit), Math.ceil(checkLease(perMs)), count ? 1 : 0];
    const [allowed, usage, resetMs] = (await this.call('hueyRateLimit', ...args)) as [number, number, number];
    return { allowed: allowed === 1, usage, resetMs };
  }

  async resetRate(name: string): Promise<void> {
    await this.commands.run((client) => client.del(`${this.keys.prefix}rate:${checkLockName(name)}`));
  }

  async putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean> {
    const hash = `${this.keys.prefix}keys`;
    if (ifEmpty) return (await this.commands.run((client) => client.hsetnx(hash, key, text))) === 1;
    await this.commands.run((client) => client.hset(hash, key, text));
    return true;
  }

  async getKey(key: string, take: boolean): Promise<string | undefined> {
    const hash = `${this.keys.prefix}keys`;
    if (take) return textOrNothing(await this.call('hueyTakeKey', key));
    return textOrNothing(await this.commands.run((client) => client.hget(hash, key)));
  }

  async deleteKey(key: string): Promise<boolean> {
    return (await this.commands.run((client) => client.hdel(`${this.keys.prefix}keys`, key))) === 1;
  }

  async list(place: Place, limit: number): Promise<Listed[]> {
    return this.#listing.list(place, checkCount('limit', limit));
  }

  async results(limit: number): Promise<{ id: string; record: ResultRecord }[]> {
    return this.#listing.results(checkCount('limit', limit));
  }

  async resultCount(): Promise<number> {
    return this.#listing.resultCount();
  }

  async retryDead(id: string): Promise<boolean> {
    return (await this.call('hueyRetryDead', id)) === 1;
  }

  async dropDead(id: string): Promise<boolean> {
    return (await this.call('hueyDropDead', id)) === 1;
  }

  async flush(): Promise<void> {
    await this.#listing.flush();
  }

  async setNote(id: string, kind: NoteKind, text: string, ttlSeconds: number): Promise<void> {
    const ttl = Math.max(1, Math.ceil(ttlSeconds));
    await this.commands.run((client) => client.set(`${this.keys.prefix}note:${kind}:${id}`, text, 'EX', ttl));
  }

  async readNote(id: string, kind: NoteKind): Promise<string | undefined> {
    return textOrNothing(await this.commands.run((client) => client.get(`${this.keys.prefix}note:${kind}:${id}`)));
  }

  async publishEvents(events: readonly string[]): Promise<void> {
    if (events.length > 0) await this.commands.run((client) => client.publish(this.keys.events, JSON.stringify(events)));
  }

  async listenToEvents(on: boolean): Promise<void> {
    await this.subscriptions.listenToEvents(on);
    // Consumers ask once a second; this tells them now.
    if (on) await this.commands.run((client) => client.publish(this.keys.control, 'e'));
  }

  async eventsWanted(): Promise<boolean> {
    // In a cluster a node knows only of its own listeners; those of a queue are connected to where the queue is.
    const [, listeners] = (await this.commands.run((client) => client.pubsub('NUMSUB', this.keys.events))) as [string, number];
    return Number(listeners) > 0;
  }

  protected async call(name: ScriptName, ...args: RedisArgument[]): Promise<unknown> {
    return this.commands.script(name, [this.keys.prefix, ...args]);
  }

  #noteOutage(lost: boolean, error?: Error): void {
    if (lost === this.#outage) return;
    this.#outage = lost;
    this.#events.onOutage?.(lost, error);
  }
}

function fieldOf(target: MarkTarget): [kind: string, name: string] {
  checkTarget(target);
  return 'id' in target ? ['i', target.id] : ['t', target.task];
}

function textOrNothing(reply: unknown): string | undefined {
  return typeof reply === 'string' ? reply : undefined;
}
