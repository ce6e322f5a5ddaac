/** A consumer that is moved by hand: it leases what is ready and ends tasks as a test says. */
import { encodeCompletion, encodeRecord, type FinalState } from '../../src/runtime/completion.js';
import { DAY_MS } from '../../src/runtime/limits.js';
import { decodeMessage, type Message } from '../../src/runtime/message.js';
import { encode } from '../../src/runtime/serializer.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';

export class HandConsumer {
  readonly storage: MemoryStorage;
  #seq = 0;

  constructor(queue: string) {
    this.storage = MemoryStorage.shared(queue);
  }

  /** What is ready, in order. */
  async take(): Promise<Message[]> {
    await this.storage.register('hand', DAY_MS);
    const { chunks } = await this.#step([], 1);
    return chunks.flatMap(({ text }) => text.split(',\n')).map(decodeMessage);
  }

  /** Takes the one message that is ready. */
  async takeOne(): Promise<Message> {
    const [message, ...more] = await this.take();
    if (message === undefined || more.length > 0)
      throw new Error(`not one message is ready but ${message === undefined ? 0 : more.length + 1}`);
    return message;
  }

  /** Ends a leased task. Without a payload it leaves no value. */
  async end(id: string, state: FinalState, payload = ''): Promise<void> {
    await this.#step([encodeCompletion({ id, ttlSeconds: 3600, record: encodeRecord(state, payload) })], 0);
  }

  /** Ends a leased task with a value. */
  async complete(id: string, value: unknown): Promise<void> {
    await this.end(id, 'done', encode(value));
  }

  async #step(completions: Uint8Array[], chunks: number): ReturnType<MemoryStorage['step']> {
    return this.storage.step({
      consumer: 'hand',
      lane: 1,
      seq: ++this.#seq,
      completions,
      transitions: [],
      chunks,
      chunkSize: 1000,
      solo: false,
    });
  }
}

let queues = 0;

/** A queue of its own for each test. */
export function freshQueue(): string {
  return `test-${++queues}`;
}
