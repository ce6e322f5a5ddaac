/** A queue of bee-queue, seen from outside. It stores no values, so only their number can be checked. */
import type { Redis } from 'ioredis';
import { CheckFailed, type QueueLengths, type QueueView } from './queue-view.js';
import { numbersOf } from './redis-scan.js';

export class BeeQueueView implements QueueView {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, queue: string) {
    this.#redis = redis;
    this.#prefix = `bq:${queue}:`;
  }

  async lengths(): Promise<QueueLengths> {
    const many = this.#redis.multi().llen(`${this.#prefix}waiting`).llen(`${this.#prefix}active`).zcard(`${this.#prefix}delayed`);
    const [waiting = 0, active = 0, delayed = 0] = await numbersOf(many.exec());
    return { waiting, inFlight: active, scheduled: delayed };
  }

  async endedCount(): Promise<number> {
    const failed = await this.#redis.scard(`${this.#prefix}failed`);
    if (failed > 0) throw new CheckFailed(`${failed} tasks failed`);
    return this.#redis.scard(`${this.#prefix}succeeded`);
  }

  async values(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}
