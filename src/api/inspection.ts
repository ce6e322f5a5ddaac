/** The part of a Huey that looks at its queue as a whole: what waits, runs, is dead, what has come out, and values by key. */
import { ConfigurationError } from '../runtime/errors.js';
import { checkId } from '../runtime/ids.js';
import { KEY_MAX_CHARS, LIST_DEFAULT, LIST_MAX } from '../runtime/limits.js';
import type { Place } from '../runtime/storage.js';
import type { Client } from './client.js';
import { Controls } from './controls.js';
import { listedMessage, type DeadMessage, type PendingMessage } from './listed-message.js';
import { booleanOption, checkKeys, integerOption } from './option-check.js';
import { readOutcome } from './outcome.js';

export interface ListOptions {
  /** At most so many. Default 1000. */
  limit?: number;
}

/** How much there is. */
export interface Stats {
  pending: number;
  scheduled: number;
  running: number;
  dead: number;
  results: number;
  consumers: number;
}

export abstract class Inspection extends Controls {
  readonly #client: Client;

  constructor(client: Client) {
    super(client);
    this.#client = client;
  }

  /** What is ready, in the order in which it will start. Huey: `pending`. */
  pending(options: ListOptions = {}): Promise<PendingMessage[]> {
    return this.#list('ready', options, 'pending');
  }

  /** What starts later, and retries that wait, the earliest first. Huey: `scheduled`. */
  scheduled(options: ListOptions = {}): Promise<PendingMessage[]> {
    return this.#list('scheduled', options, 'scheduled');
  }

  /** What consumers hold: it runs, or is about to. */
  running(options: ListOptions = {}): Promise<PendingMessage[]> {
    return this.#list('running', options, 'running');
  }

  /** What was put aside, the newest first, and why. */
  dead(options: ListOptions = {}): Promise<DeadMessage[]> {
    return this.#list('dead', options, 'dead');
  }

  /** Huey: `pending_count`. */
  async pendingCount(): Promise<number> {
    return (await this.#counts()).ready;
  }

  /** Huey: `scheduled_count`. */
  async scheduledCount(): Promise<number> {
    return (await this.#counts()).scheduled;
  }

  async runningCount(): Promise<number> {
    return (await this.#counts()).running;
  }

  async deadCount(): Promise<number> {
    return (await this.#counts()).dead;
  }

  /** Results that were not read yet. Huey: `result_count`. */
  resultCount(): Promise<number> {
    return this.#client.call((storage) => storage.resultCount());
  }

  /** All counts at once. */
  async stats(): Promise<Stats> {
    const [{ ready, ...counts }, results] = await Promise.all([this.#counts(), this.resultCount()]);
    return { pending: ready, ...counts, results };
  }

  /** Results that were not read yet, by id; takes none. Failures as TaskException. Huey: `all_results`. */
  async allResults(options: ListOptions = {}): Promise<Record<string, unknown>> {
    const limit = limitOf(options, 'allResults');
    const found = await this.#client.call((storage) => storage.results(limit));
    // Without a prototype: an id may be any word.
    const values = Object.create(null) as Record<string, unknown>;
    for (const { id, record } of found) {
      const outcome = readOutcome(id, record, this.#client.codec);
      if (outcome.kind === 'value') values[id] = outcome.value;
      if (outcome.kind === 'error') values[id] = outcome.error;
    }
    return values;
  }

  /** Lets a dead one start anew, its deaths forgotten. False where there is none with this id. */
  async retryDead(id: string): Promise<boolean> {
    checkId(id);
    return this.#client.call((storage) => storage.retryDead(id));
  }

  /** Removes a dead one for good. False where there is none with this id. */
  async dropDead(id: string): Promise<boolean> {
    checkId(id);
    return this.#client.call((storage) => storage.dropDead(id));
  }

  /** Clears everything of this queue: waiting, scheduled, results, marks, locks, keys, ids seen, ticks, dead. Huey: `flush`. */
  flush(): Promise<void> {
    return this.#client.call((storage) => storage.flush());
  }

  /** Keeps a value under a key of this queue, until it is taken. Huey: `put`. @throws PayloadError */
  async put(key: string, value: unknown): Promise<void> {
    await this.#put(key, value, false);
  }

  /** Only where the key has none; false otherwise. Huey: `put_if_empty`. @throws PayloadError */
  putIfEmpty(key: string, value: unknown): Promise<boolean> {
    return this.#put(key, value, true);
  }

  /** Takes the value: undefined where there is none. `peek: true` leaves it. Huey: `get`. */
  async get<T = unknown>(key: string, options: { peek?: boolean } = {}): Promise<T | undefined> {
    checkKey(key);
    checkKeys(options, ['peek'], 'get');
    const peek = options.peek !== undefined && booleanOption(options.peek, 'peek');
    const text = await this.#client.call((storage) => storage.getKey(key, !peek));
    return text === undefined ? undefined : (this.#client.codec.decodeValue(text) as T);
  }

  /** Removes the value; true where there was one. Huey: `delete`. */
  async delete(key: string): Promise<boolean> {
    checkKey(key);
    return this.#client.call((storage) => storage.deleteKey(key));
  }

  async #put(key: string, value: unknown, ifEmpty: boolean): Promise<boolean> {
    checkKey(key);
    const text = this.#client.codec.encodeValue(value, `the value of ${JSON.stringify(key)}`);
    return this.#client.call((storage) => storage.putKey(key, text, ifEmpty));
  }

  async #list(place: Place, options: ListOptions, what: string): Promise<DeadMessage[]> {
    const limit = limitOf(options, what);
    const listed = await this.#client.call((storage) => storage.list(place, limit));
    return listed.map((one) => listedMessage(one, this.#client.codec));
  }

  #counts(): ReturnType<Client['counts']> {
    return this.#client.counts();
  }
}

function limitOf(options: ListOptions, what: string): number {
  checkKeys(options, ['limit'], what);
  return options.limit === undefined ? LIST_DEFAULT : integerOption(options.limit, 'limit', 1, LIST_MAX);
}

function checkKey(key: unknown): void {
  if (typeof key === 'string' && key.length > 0 && key.length <= KEY_MAX_CHARS) return;
  throw new ConfigurationError(`a key is a text of 1 to ${KEY_MAX_CHARS} characters`, 'bad-key');
}
