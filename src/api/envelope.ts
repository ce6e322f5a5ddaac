/** Makes the message of a call. What is the same in every call of a task is written once, when the envelope is made. */
import { PayloadError } from '../runtime/errors.js';
import { MESSAGE_MAX_BYTES } from '../runtime/limits.js';
import { headStart, nameOf, type Head, type Slot } from '../runtime/message.js';
import { PLAIN_CODEC, type PayloadCodec } from '../runtime/payload-codec.js';
import type { TaskSettings } from '../runtime/registry.js';
import { encode } from '../runtime/serializer.js';

export interface EnvelopeExtras {
  meta?: Readonly<Record<string, unknown>>;
  /** Keep only an end marker, whatever it returns. */
  discardResult?: boolean;
  /** The minute that this run of a periodic task stands for, ms since 1970. */
  tick?: number;
  /** What a call with these arguments needs to be leased, in place of what the settings say. */
  slotOf?: (args: readonly unknown[]) => Slot | undefined;
}

/** The head around the id. */
interface Frame {
  before: string;
  /** The same where the message is linked to others. */
  beforeLinked: string;
  behindId: string;
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
  readonly #head: Head;
  readonly #frame: Frame;
  readonly #slotOf: EnvelopeExtras['slotOf'];
  /** In the body, behind the time of the enqueue. */
  readonly #after: string;

  /** @throws PayloadError where `meta` cannot be encoded. */
  constructor(name: string, settings: TaskSettings, extras: EnvelopeExtras = {}, codec: PayloadCodec = PLAIN_CODEC) {
    this.#name = name;
    this.#codec = codec;
    this.#head = headOf(name, settings);
    this.#frame = frameOf(this.#head);
    this.#slotOf = extras.slotOf;
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
    const { before, beforeLinked, behindId } = this.#frameOf(args);
    const text = `["${links === '' ? before : beforeLinked}${id}${behindId}",${body}]`;
    // A character takes at most three bytes: most messages need not be measured.
    if (text.length * 3 > MESSAGE_MAX_BYTES) this.#checkSize(text);
    return text;
  }

  /** A stage as JSON text: the message that will be made of it belongs to another one. @throws PayloadError */
  stage(id: string, args: readonly unknown[], now: number, { links, delayMs, etaMs }: StageExtras): string {
    const { before, beforeLinked, behindId } = this.#frameOf(args);
    const head = `${links === '' ? before : beforeLinked}${id}${behindId}`;
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

  #frameOf(args: readonly unknown[]): Frame {
    const slot = this.#slotOf?.(args);
    return slot === undefined ? this.#frame : frameOf({ ...this.#head, slot });
  }

  #checkSize(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes <= MESSAGE_MAX_BYTES) return;
    throw new PayloadError(
      `a call of ${this.#name} takes ${bytes} bytes; at most ${MESSAGE_MAX_BYTES} are allowed: store the data elsewhere and pass a reference`,
    );
  }
}

function frameOf(head: Head): Frame {
  return { before: headStart(head), beforeLinked: headStart({ ...head, linked: true }), behindId: nameOf(head) };
}

function headOf(name: string, settings: TaskSettings): Head {
  const { retries, priority, timeoutMs, expires, slot } = settings;
  const head: Head = { id: '', name, attempts: 0, retries, lapses: 0, deaths: 0, priority, timeoutMs, expiresAt: 0 };
  if (slot !== undefined) head.slot = slot;
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
