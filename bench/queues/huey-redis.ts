/** A queue of huey-runtime on Redis, seen from outside. */
import type { Redis } from 'ioredis';
import { decodeRecord } from '../../src/runtime/completion.js';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { CheckFailed, type QueueLengths, type QueueView } from './queue-view.js';
import { eachOf, keysOf, numbersOf } from './redis-scan.js';

/** An expiry stands before each record. */
const STAMP_CHARS = 13;

export class HueyRedisView implements QueueView {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  #consumers: string[] = [];

  constructor(redis: Redis, queue: string) {
    this.#redis = redis;
    this.#keys = new RedisKeys(queue);
  }

  async lengths(): Promise<QueueLengths> {
    const { prefix, ready } = this.#keys;
    // A consumer registers before it takes anything, so the names may be a look old.
    const names = await this.#redis.zrange(`${prefix}consumers`, '0', '-1');
    this.#consumers = [...new Set([...this.#consumers, ...names])];
    const many = this.#redis
      .multi()
      .llen(ready)
      .zcard(`${prefix}hi`)
      .zcard(`${prefix}lo`)
      .llen(`${prefix}suspects`)
      .zcard(`${prefix}scheduled`);
    for (const name of this.#consumers) many.hlen(this.#keys.inflight(name)).llen(this.#keys.landing(name)).hkeys(this.#keys.packs(name));
    const [list = 0, hi = 0, lo = 0, suspects = 0, scheduled = 0, ...held] = await numbersOf(many.exec(), tasksOfReceipts);
    return { waiting: list + hi + lo + suspects, scheduled, inFlight: held.reduce((sum, count) => sum + count, 0) };
  }

  async endedCount(): Promise<number> {
    const counts = await eachOf(await this.#resultKeys(), (key) => this.#redis.hlen(key));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async values(): Promise<number[]> {
    const keys = await this.#resultKeys();
    const lives = await eachOf(keys, (key) => this.#redis.ttl(key));
    if (lives.some((seconds) => seconds <= 0)) throw new CheckFailed('a bucket of results has no expiry');
    const values: number[] = [];
    const nowMs = Date.now();
    for (const key of keys) {
      for (const text of await this.#redis.hvals(key)) {
        const { state, payload } = decodeRecord(text.slice(STAMP_CHARS));
        if (state !== 'done') throw new CheckFailed(`a task ended as ${state}: ${payload}`);
        if (!(Number(text.slice(0, STAMP_CHARS)) > nowMs)) throw new CheckFailed('a result has no expiry');
        values.push(Number(JSON.parse(payload)));
      }
    }
    return values;
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  #resultKeys(): Promise<string[]> {
    // The braces of the hash tag mean themselves in a pattern.
    return keysOf(this.#redis, `${this.#keys.prefix}result:*`);
  }
}

/** A chunk in flight is kept under a receipt, whose second word says how many tasks it holds. */
function tasksOfReceipts(receipts: readonly string[]): number {
  return receipts.reduce((sum, receipt) => sum + Number(receipt.split(' ')[1]), 0);
}
