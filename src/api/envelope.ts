/** Makes the message of a call. What is the same in every call of a task is written once, when the envelope is made. */
import { PayloadError } from '../runtime/errors.js';
import { MESSAGE_MAX_BYTES } from '../runtime/limits.js';
import { encodeHead, type Head } from '../runtime/message.js';
import { PLAIN_CODEC, type PayloadCodec } from '../runtime/payload-codec.js';
import type { TaskSettings } from '../runtime/registry.js';
import { encode } from '../runtime/serializer.js';

export interface EnvelopeExtras {
  meta?: Readonly<Record<string, unknown>>;
  /** Keep only an end marker, whatever it returns. */
  discardResult?: boolean;
  /** The minute that this run of a periodic task stands for, ms since 1970. */
  tick?: number;
}

/** Due this long after its turn has come, or at this instant. */
export interface When {
  delayMs?: number;
  etaMs?: number;
}

export interface StageExtras extends When {
  links: string;
}

export class Envelope {
  readonly #name: string;
  readonly #codec: PayloadCodec;
  /** Up to where the id stands. */
  readonly #before: string;
  /** The same where the message is linked to others. */
  readonly #beforeLinked: string;
  /** Between the id and the body. */
  readonly #between: string;
  /** In the body, behind the time of the enqueue. */
  readonly #after: string;

  /** @throws PayloadError where `meta` cannot be encoded. */
  constructor(name: string, settings: TaskSettings, extras: EnvelopeExtras = {}, codec: PayloadCodec = PLAIN_CODEC) {
    this.#name = name;
    this.#codec = codec;
    // The head ends with the id, a blank and the name (message.ts), so a head without an id ends before the blank.
    const behindId = ` ${name}`;
    const head = headOf(name, settings);
    this.#before = encodeHead(head).slice(0, -behindId.length);
    this.#beforeLinked = encodeHead({ ...head, linked: true }).slice(0, -behindId.length);
    this.#between = `${behindId}",`;
    this.#after = bodyTail(name, settings, extras);
  }

  /**
   * The whole message. `now` is ms since 1970, for people only, as is when it is due; `links` are further members of the body as
   * JSON text, each with a comma before it.
   * @throws PayloadError where the arguments cannot be encoded or the message is too large.
   */
  text(id: string, args: readonly unknown[], now: number, links = '', { delayMs, etaMs }: When = {}): string {
    const dueAt = etaMs ?? (delayMs === undefined ? now : now + delayMs);
    const due = dueAt > now ? `,"due":${dueAt}` : '';
    const body = this.#codec.encodeBody(id, this.#name, this.#body(args, now, due + links));
    const text = `["${links === '' ? this.#before : this.#beforeLinked}${id}${this.#between}${body}]`;
    // A character takes at most three bytes: most messages need not be measured.
    if (text.length * 3 > MESSAGE_MAX_BYTES) this.#checkSize(text);
    return text;
  }

  /** A stage as JSON text: the message that will be made of it belongs to another one. @throws PayloadError */
  stage(id: string, args: readonly unknown[], now: number, { links, delayMs, etaMs }: StageExtras): string {
    const head = `${links === '' ? this.#before : this.#beforeLinked}${id} ${this.#name}`;
    const delay = delayMs === undefined ? '' : `,"delayMs":${delayMs}`;
    const eta = etaMs === undefined ? '' : `,"etaMs":${etaMs}`;
    return `{"head":"${head}","body":${this.#body(args, now, `,"later":true${links}`)}${delay}${eta}}`;
  }

  /** The arguments as they are encoded. @throws PayloadError */
  argsText(args: readonly unknown[]): string {
    return this.#codec.encodeArgs(args, `${this.#name}: args`);
  }

  #body(args: readonly unknown[], now: number, links: string): string {
    return `{"args":${this.argsText(args)},"at":${now}${this.#after}${links}}`;
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
