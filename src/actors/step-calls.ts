/**
 * The calls that commit and lease, each on a numbered lane of its own, repeated under the same number until an answer
 * comes: the storage gives a repeated call the reply that was lost. A wait for work is a lane of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, ConsumerReaped, MalformedMessage, StorageRefused } from '../runtime/errors.js';
import type { StepCall, StepReply, Storage } from '../runtime/storage.js';

export type StepWork = Omit<StepCall, 'consumer' | 'lane' | 'seq'>;

const CALLS_MAX = 4;
const WAIT_LANE = 0;
const REPEAT_FIRST_MS = 20;
const REPEAT_MAX_MS = 1000;
/** What the storage refuses is not asked again in haste. */
const REFUSED_MS = 5000;

export class StepCalls {
  readonly #storage: Storage;
  readonly #consumer: string;
  readonly #onTrouble: (error: Error) => void;
  readonly #numbers = new Array<number>(CALLS_MAX + 1).fill(0);
  readonly #freeLanes = Array.from({ length: CALLS_MAX }, (_, i) => i + 1);
  readonly #ended = new AbortController();

  constructor(storage: Storage, consumer: string, onTrouble: (error: Error) => void) {
    this.#storage = storage;
    this.#consumer = consumer;
    this.#onTrouble = onTrouble;
  }

  /** A call may be made now. */
  get free(): boolean {
    return this.#freeLanes.length > 0;
  }

  get inFlight(): number {
    return CALLS_MAX - this.#freeLanes.length;
  }

  /** @throws ConsumerReaped, and MalformedMessage where a transition holds what is no message. */
  async step(work: StepWork): Promise<StepReply> {
    const lane = this.#freeLanes.pop();
    if (lane === undefined) throw new RangeError('no free lane for a call');
    try {
      return await this.#repeat(lane, work, (call) => this.#storage.step(call));
    } finally {
      this.#freeLanes.push(lane);
    }
  }

  /** Like `step`, and waits for something to lease, at most `waitMs`. One at a time. */
  async wait(work: StepWork, waitMs: number): Promise<StepReply> {
    return this.#repeat(WAIT_LANE, work, (call, again) => (again ? this.#storage.step(call) : this.#storage.waitAndStep(call, waitMs)));
  }

  /** Calls under way reject instead of being repeated. */
  end(): void {
    this.#ended.abort();
  }

  async #repeat(lane: number, work: StepWork, send: (call: StepCall, again: boolean) => Promise<StepReply>): Promise<StepReply> {
    const seq = (this.#numbers[lane] ?? 0) + 1;
    this.#numbers[lane] = seq;
    const call: StepCall = { ...work, consumer: this.#consumer, lane, seq };
    for (let pauseMs = REPEAT_FIRST_MS, again = false; ; pauseMs = Math.min(REPEAT_MAX_MS, pauseMs * 2), again = true) {
      try {
        return await send(call, again);
      } catch (error) {
        if (isFinal(error) || this.#ended.signal.aborted) throw error;
        this.#onTrouble(error as Error);
        await sleep(error instanceof StorageRefused ? REFUSED_MS : pauseMs, undefined, { signal: this.#ended.signal });
      }
    }
  }
}

/** The same call would come to the same end. */
function isFinal(error: unknown): boolean {
  return error instanceof ConsumerReaped || error instanceof MalformedMessage || error instanceof ConfigurationError;
}
