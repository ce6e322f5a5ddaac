/**
 * The handles of several invocations: of a group's members, of a pipeline's stages. It is an array of them, so that it
 * has a length, an index, and can be iterated.
 */
import { durationMs, type DurationInput } from '../runtime/clock.js';
import type { Client } from './client.js';
import { checkKeys } from './option-check.js';
import type { BlockingGetOptions, GetOptions, Result, Stored } from './result.js';

export interface AsCompletedOptions {
  /** Seconds or a luxon Duration to wait at most for all of them. Default: as long as it takes. */
  timeout?: DurationInput;
}

interface GroupReads<Values extends readonly unknown[]> {
  /**
   * The values, in order; see `Result.get`. Blocking: waits for all of them, `timeout` counts for all together. Throws
   * the error of the first that has one.
   */
  get(options: BlockingGetOptions): Promise<{ -readonly [K in keyof Values]: Stored<Values[K]> }>;
  get(options?: GetOptions): Promise<{ -readonly [K in keyof Values]: Stored<Values[K]> | undefined }>;

  /**
   * The handles, in the order in which their tasks end, however they end: `for await (const res of results.asCompleted())
   * console.log(await res.get())`. Huey: `as_completed`.
   * @throws ResultTimeout
   */
  asCompleted(options?: AsCompletedOptions): AsyncGenerator<Result<Values[number]>, void, undefined>;
}

/** `Values`: what they return, in order. */
export type ResultGroup<Values extends readonly unknown[] = readonly unknown[]> = {
  readonly [K in keyof Values]: Result<Values[K]>;
} & GroupReads<Values>;

export function makeResultGroup<Values extends readonly unknown[]>(
  client: Client,
  results: readonly Result<unknown>[],
): ResultGroup<Values> {
  const list = new ResultList(client);
  for (const result of results) list.push(result);
  return list as unknown as ResultGroup<Values>;
}

class ResultList extends Array<Result<unknown>> {
  readonly #client: Client;

  constructor(client: Client) {
    super();
    this.#client = client;
  }

  /** `map`, `filter` and the like give plain arrays. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  async get(options: GetOptions = {}): Promise<unknown[]> {
    const reads = this.map((result) => result.get(options));
    // The first in order is told, not the first in time; nobody else looks at the others.
    for (const read of reads) read.catch(() => undefined);
    const values: unknown[] = [];
    for (const read of reads) values.push(await read);
    return values;
  }

  async *asCompleted(options: AsCompletedOptions = {}): AsyncGenerator<Result<unknown>, void, undefined> {
    checkKeys(options, ['timeout'], 'asCompleted');
    const timeoutMs = options.timeout === undefined ? undefined : durationMs(options.timeout, 'timeout');
    const waiter = await this.#client.waiter();
    const left = new AbortController();
    const ended: Result<unknown>[] = [];
    let failure: { error: unknown } | undefined;
    let wake: () => void = () => undefined;
    for (const result of this) {
      waiter.wait(result.id, timeoutMs, left.signal).then(
        () => {
          ended.push(result);
          wake();
        },
        (error: unknown) => {
          failure ??= { error };
          wake();
        },
      );
    }
    try {
      for (let count = 0; count < this.length; count++) {
        while (ended.length === 0) {
          if (failure !== undefined) throw failure.error;
          await new Promise<void>((resolve) => (wake = resolve));
        }
        const next = ended.shift();
        if (next !== undefined) yield next;
      }
    } finally {
      // Who leaves the loop early waits no more.
      left.abort();
    }
  }
}
