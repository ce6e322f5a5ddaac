/** A storage that does what a test tells it, for what is hard to bring about with a real one. */
import type { ResultRecord } from '../../src/runtime/completion.js';
import type { Counts, EnqueueReply, ProducerStorage, RateReply, StorageEvents } from '../../src/runtime/storage.js';

export class FakeStorage implements ProducerStorage {
  readonly records = new Map<string, ResultRecord>();
  readonly watched = new Set<string>();
  readonly calls: string[] = [];
  events: StorageEvents = {};
  /** What the next calls do before they answer; they may throw. */
  before: (verb: string, ids: readonly string[]) => void | Promise<void> = () => undefined;

  /** An end, with the push that tells of it. */
  end(id: string, record: ResultRecord, push: 'with record' | 'without record' | 'lost' = 'with record'): void {
    this.records.set(id, record);
    if (push === 'lost' || !this.watched.has(id)) return;
    this.events.onEnded?.([push === 'with record' ? { id, record } : { id }]);
  }

  listen(events: StorageEvents): void {
    this.events = events;
  }

  async enqueue(): Promise<EnqueueReply> {
    return { duplicates: [], conflicts: [] };
  }

  async readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]> {
    await this.#note('read', ids);
    return ids.map((id) => this.records.get(id));
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    await this.#note('remove', ids);
    for (const id of ids) this.records.delete(id);
  }

  async watch(ids: readonly string[]): Promise<readonly string[]> {
    await this.#note('watch', ids);
    for (const id of ids) this.watched.add(id);
    return ids;
  }

  unwatch(ids: readonly string[]): void {
    this.calls.push(`unwatch ${ids.length}`);
    for (const id of ids) this.watched.delete(id);
  }

  async revoke(): Promise<void> {}

  async restore(): Promise<boolean> {
    return false;
  }

  async readMark(): Promise<undefined> {
    return undefined;
  }

  async cancel(): Promise<'waiting'> {
    return 'waiting';
  }

  async withdrawCancel(): Promise<'waiting'> {
    return 'waiting';
  }

  async findWaiting(): Promise<undefined> {
    return undefined;
  }

  async endWaiting(): Promise<boolean> {
    return false;
  }

  async counts(): Promise<Counts> {
    return { ready: 0, scheduled: 0, running: 0, dead: 0, consumers: 0 };
  }

  async readChord(): Promise<never[]> {
    return [];
  }

  async freeUnique(): Promise<void> {}

  async acquireLock(): Promise<boolean> {
    return false;
  }

  async extendLock(): Promise<boolean> {
    return false;
  }

  async releaseLock(): Promise<boolean> {
    return false;
  }

  async isLocked(): Promise<boolean> {
    return false;
  }

  async flushLocks(): Promise<never[]> {
    return [];
  }

  async rateLimit(): Promise<RateReply> {
    return { allowed: true, usage: 0, resetMs: 0 };
  }

  async resetRate(): Promise<void> {}

  async putKey(): Promise<boolean> {
    return false;
  }

  async getKey(): Promise<undefined> {
    return undefined;
  }

  async deleteKey(): Promise<boolean> {
    return false;
  }

  async list(): Promise<never[]> {
    return [];
  }

  async results(): Promise<never[]> {
    return [];
  }

  async resultCount(): Promise<number> {
    return 0;
  }

  async retryDead(): Promise<boolean> {
    return false;
  }

  async dropDead(): Promise<boolean> {
    return false;
  }

  async flush(): Promise<void> {}

  async setNote(): Promise<void> {}

  async readNote(): Promise<undefined> {
    return undefined;
  }

  async publishEvents(): Promise<void> {}

  async listenToEvents(): Promise<void> {}

  async eventsWanted(): Promise<boolean> {
    return false;
  }

  async #note(verb: string, ids: readonly string[]): Promise<void> {
    this.calls.push(`${verb} ${ids.length}`);
    await this.before(verb, ids);
  }
}
