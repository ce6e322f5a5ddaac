/** A steady load for as long as it is wanted, enqueued by the clock and not by when the last call came back. */
import { setTimeout as sleep } from 'node:timers/promises';

const TICKS_PER_SECOND = 200;

export interface Offered {
  count: number;
  /** What was kept of the rate that was asked for. */
  perSecond: number;
}

export class SteadyLoad {
  readonly #running: Promise<Offered>;
  #isOver = false;

  /** `enqueueMany` gets the numbers of the next tasks, which begin with 0. */
  constructor(perSecond: number, enqueueMany: (numbers: number[]) => Promise<unknown>) {
    this.#running = this.#run(perSecond, enqueueMany);
    // Told when it is ended; until then nobody listens.
    this.#running.catch(() => undefined);
  }

  /** Resolves when everything is enqueued. Rejects where a call did. */
  end(): Promise<Offered> {
    this.#isOver = true;
    return this.#running;
  }

  async #run(perSecond: number, enqueueMany: (numbers: number[]) => Promise<unknown>): Promise<Offered> {
    const batch = Math.max(1, Math.round(perSecond / TICKS_PER_SECOND));
    const under: Promise<unknown>[] = [];
    const beganAtMs = performance.now();
    let count = 0;
    while (!this.#isOver) {
      const dueMs = beganAtMs + (count / perSecond) * 1000;
      if (dueMs > performance.now()) await sleep(dueMs - performance.now());
      const from = count;
      under.push(enqueueMany(Array.from({ length: batch }, (_, k) => from + k)));
      count += batch;
    }
    const offered = { count, perSecond: (count / (performance.now() - beganAtMs)) * 1000 };
    await Promise.all(under);
    return offered;
  }
}
