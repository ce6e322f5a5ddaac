/** A queue of BullMQ, seen from outside. It keeps finished jobs without an expiry, so there is none to check. */
import type { Redis } from 'ioredis';
import { CheckFailed, type QueueLengths, type QueueView } from './queue-view.js';
import { eachOf, numbersOf } from './redis-scan.js';

export class BullMqView implements QueueView {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, queue: string) {
    this.#redis = redis;
    this.#prefix = `bull:${queue}:`;
  }

  async lengths(): Promise<QueueLengths> {
    const many = this.#redis
      .multi()
      .llen(`${this.#prefix}wait`)
      .llen(`${this.#prefix}active`)
      .zcard(`${this.#prefix}delayed`)
      .zcard(`${this.#prefix}prioritized`);
    const [wait = 0, active = 0, delayed = 0, prioritized = 0] = await numbersOf(many.exec());
    return { waiting: wait + prioritized, inFlight: active, scheduled: delayed };
  }

  async endedCount(): Promise<number> {
    const failed = await this.#redis.zcard(`${this.#prefix}failed`);
    if (failed > 0) throw new CheckFailed(`${failed} tasks failed`);
    return this.#redis.zcard(`${this.#prefix}completed`);
  }

  async values(): Promise<number[]> {
    const ids = await this.#redis.zrange(`${this.#prefix}completed`, '0', '-1');
    const values = await eachOf(ids, (id) => this.#redis.hget(this.#prefix + id, 'returnvalue'));
    return values.map((value) => Number(JSON.parse(value ?? 'null') ?? NaN));
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}
