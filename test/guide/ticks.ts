/** Ticks of a periodic task without waiting for the minutes: those of the past can be enqueued at once, in order. */
import assert from 'node:assert/strict';
import { tickMessage } from '../../src/actors/tick-message.js';
import { IdGenerator } from '../../src/runtime/ids.js';
import { MINUTE_MS } from '../../src/runtime/limits.js';
import { PLAIN_CODEC } from '../../src/runtime/payload-codec.js';
import type { Storage } from '../../src/runtime/storage.js';
import { poll } from '../support/poll.js';

const TICKS_MAX = 60;

export class Ticks {
  readonly #storage: Storage;
  readonly #task: string;
  readonly #ids = new IdGenerator();
  #minuteMs: number;

  constructor(storage: Storage, task: string) {
    this.#storage = storage;
    this.#task = task;
    this.#minuteMs = minuteOf(Date.now()) - TICKS_MAX * MINUTE_MS;
  }

  /** Enqueues the next one, and resolves when it has run or was skipped. */
  async next(): Promise<void> {
    const settings = { retries: 0, retryDelayMs: 0, retryBackoff: 1, priority: 0, timeoutMs: 0, graceMs: 0 };
    this.#minuteMs += MINUTE_MS;
    const text = tickMessage({ name: this.#task, settings }, this.#ids.next(), this.#minuteMs, Date.now(), PLAIN_CODEC);
    assert.equal(await this.#storage.tick({ task: this.#task, minuteMs: this.#minuteMs, text }), true);
    await poll('the end of the tick', async () => {
      const { ready, running } = await this.#storage.counts();
      return ready + running === 0;
    });
  }
}

/** As if a consumer had been there a minute ago: the next one makes up for the tick of this minute as it starts. */
export async function missLastTick(storage: Storage, tasks: readonly string[]): Promise<void> {
  await storage.skipTicks(tasks, minuteOf(Date.now()) - MINUTE_MS);
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}
