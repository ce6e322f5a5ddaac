/** Makes the message of a call. What is the same in every call of a task is written once, when the envelope is made. */
import { PayloadError } from '../runtime/errors.js';
import { MESSAGE_MAX_BYTES } from '../runtime/limits.js';
import { encodeHead, type Head } from '../runtime/message.js';
import type { TaskSettings } from '../runtime/registry.js';
import { encode } from '../runtime/serializer.js';
import { isTuple } from '../runtime/tuple.js';

export interface EnvelopeExtras {
  meta?: Readonly<Record<string, unknown>>;
  /** Keep only an end marker, whatever it returns. */
  discardResult?: boolean;
  /** The minute that this run of a periodic task stands for, ms since 1970. */
  tick?: number;
}

export class Envelope {
  readonly #name: string;
  /** Up to where the id stands. */
  readonly #before: string;
  /** Between the id and the arguments. */
  readonly #between: string;
  /** Behind the time of the enqueue. */
  readonly #after: string;

  /** @throws PayloadError where `meta` cannot be encoded. */
  constructor(name: string, settings: TaskSettings, extras: EnvelopeExtras = {}) {
    this.#name = name;
    // The head ends with the id, a blank and the name (message.ts), so a head without an id ends before the blank.
    const behindId = ` ${name}`;
    this.#before = `["${encodeHead(headOf(name, settings)).slice(0, -behindId.length)}`;
    this.#between = `${behindId}",{"args":`;
    this.#after = `${bodyTail(name, settings, extras)}}]`;
  }

  /**
   * The whole message. `now` is ms since 1970, for people only.
   * @throws PayloadError where the arguments cannot be encoded or the message is too large.
   */
  text(id: string, args: readonly unknown[], now: number): string {
    // The list itself is always plain, also where a tuple gave it.
    const list = isTuple(args) ? [...args] : args;
    const text = `${this.#before}${id}${this.#between}${encode(list, `${this.#name}: args`)},"at":${now}${this.#after}`;
    // A character takes at most three bytes: most messages need not be measured.
    if (text.length * 3 > MESSAGE_MAX_BYTES) this.#checkSize(text);
    return text;
  }

  #checkSize(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes <= MESSAGE_MAX_BYTES) return;
    throw new PayloadError(
      `a call of ${this.#name} takes ${bytes} bytes; at most ${MESSAGE_MAX_BYTES} are allowed: store the data elsewhere and pass a reference`,
    );
  }
}

function headOf(name: string, settings: TaskSettings): Head {
  const { retries, priority, timeoutMs, expires } = settings;
  const head: Head = { id: '', name, attempts: 0, retries, lapses: 0, deaths: 0, priority, timeoutMs, expiresAt: 0 };
  if (expires === undefined) return head;
  if ('afterMs' in expires) return { ...head, expiresAt: expires.afterMs, expiryIsRelative: true };
  // 0 would mean "never".
  return { ...head, expiresAt: Math.max(1, expires.atMs) };
}

/** Only what differs from the default is written. */
function bodyTail(name: string, settings: TaskSettings, extras: EnvelopeExtras): string {
  const { retries, retryDelayMs, retryBackoff, resultTtlMs } = settings;
  let tail = '';
  if (retries !== 0) tail += `,"retries":${retries}`;
  if (retryDelayMs !== 0) tail += `,"retryDelayMs":${retryDelayMs}`;
  if (retryBackoff !== 1) tail += `,"retryBackoff":${retryBackoff}`;
  if (resultTtlMs !== undefined) tail += `,"resultTtlMs":${resultTtlMs}`;
  if (extras.discardResult === true) tail += ',"result":false';
  if (extras.meta !== undefined) tail += `,"meta":${encode(extras.meta, `${name}: meta`)}`;
  if (extras.tick !== undefined) tail += `,"tick":${extras.tick}`;
  return tail;
}
