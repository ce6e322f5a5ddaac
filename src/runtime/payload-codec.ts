/**
 * The body of a message, and single values, on their way into a storage and back: by the Huey's serializer, compressed
 * and signed where it says so.
 *
 * Without compression and signing a body stands in its message as an object. Else it is a JSON string, made of layers
 * that are taken off from the left:
 *
 *     sg.<HMAC-SHA256, base64url>.<the rest>     signed
 *     gz.<gzip, base64>                          compressed
 *     {...}                                      the body
 *
 * The signature is over the version, the queue, the id, the task's name and the rest. It is checked before anything is
 * inflated or parsed. While signing is on, nothing unsigned is read.
 *
 * A value of another serializer than the built-in one is the tag {"$huey":["custom","<text>"]}, each argument by itself,
 * so that what one stage hands to the next can be added without knowing that serializer.
 *
 * Plain messages need neither crypto nor zlib, and every start of a thread would pay for them: they are loaded where they are used.
 */
import { ConfigurationError, MalformedMessage, PayloadError } from './errors.js';
import { COMPRESSION_MIN_CHARS, MESSAGE_MAX_BYTES } from './limits.js';
import { checkBody, decodeMessageWith, MESSAGE_VERSION, type Body, type Message } from './message.js';
import { containsTags, decode, decodeText, encode } from './serializer.js';
import { isTuple } from './tuple.js';

/** Values <-> text, in place of the built-in JSON with tags. Both ends of a queue need the same one. */
export interface Serializer {
  encode(value: unknown): string;
  decode(text: string): unknown;
}

/** As data, for the ways between threads. */
export interface PayloadSettings {
  compression?: 'gzip';
  /** The first one signs, each of them is good for checking. */
  signingKeys?: readonly string[];
}

const SIGNED = 'sg.';
const ZIPPED = 'gz.';
const MAC_CHARS = 43;
const CUSTOM = 'custom';

export class PayloadCodec {
  /** True: bodies and values are what the built-in serializer makes, and can be read without this. */
  readonly isPlain: boolean;
  readonly #queue: string;
  readonly #zips: boolean;
  readonly #keys: readonly string[];
  readonly #serializer: Serializer | undefined;

  /** @throws ConfigurationError */
  constructor(queue: string, { compression, signingKeys = [] }: PayloadSettings = {}, serializer?: Serializer) {
    this.#queue = queue;
    this.#zips = compression !== undefined;
    this.#keys = signingKeys;
    this.#serializer = serializer;
    this.isPlain = !this.#zips && signingKeys.length === 0 && serializer === undefined;
  }

  /** The body as it stands in the message: JSON text. */
  encodeBody(id: string, name: string, bodyText: string): string {
    if (!this.#zips && this.#keys.length === 0) return bodyText;
    let rest = bodyText;
    if (this.#zips && bodyText.length >= COMPRESSION_MIN_CHARS)
      rest = ZIPPED + process.getBuiltinModule('node:zlib').gzipSync(bodyText).toString('base64');
    const [key] = this.#keys;
    if (key !== undefined) rest = `${SIGNED}${this.#mac(key, id, name, rest).toString('base64url')}.${rest}`;
    return rest === bodyText ? bodyText : JSON.stringify(rest);
  }

  /**
   * The body, as JSON.parse gave it, of the message of this id and name. Its arguments are still encoded.
   * @throws MalformedMessage where it is not signed as it must be, too large, or no body.
   */
  decodeBody(id: string, name: string, part: unknown): Body {
    if (this.#keys.length === 0 && typeof part !== 'string') return checkBody(part);
    let rest = typeof part === 'string' ? part : '';
    if (this.#keys.length > 0) rest = this.#checked(id, name, rest);
    else if (rest.startsWith(SIGNED)) rest = rest.slice(SIGNED.length + MAC_CHARS + 1);
    if (rest.startsWith(ZIPPED)) rest = inflated(rest.slice(ZIPPED.length));
    return checkBody(parsed(rest));
  }

  /** A whole message. @throws MalformedMessage */
  decodeMessage(text: string): Message {
    return decodeMessageWith(text, (part, { id, name }) => this.decodeBody(id, name, part));
  }

  /** A list of arguments as JSON text. @throws PayloadError */
  encodeArgs(args: readonly unknown[], root: string): string {
    // The list itself is always plain, also where a tuple gave it.
    if (this.#serializer === undefined) return encode(isTuple(args) ? [...args] : args, root);
    return `[${args.map((arg, i) => this.encodeValue(arg, `${root}[${i}]`)).join(',')}]`;
  }

  /** The arguments of a body. @throws PayloadError */
  decodeArgs(args: unknown[]): unknown[] {
    return args.map((arg) => this.#decodeOne(arg));
  }

  /** One value as JSON text. @throws PayloadError */
  encodeValue(value: unknown, root = 'value'): string {
    if (this.#serializer === undefined) return encode(value, root);
    let text: unknown;
    try {
      text = this.#serializer.encode(value);
    } catch (cause) {
      throw new PayloadError(`${root} cannot be encoded by the serializer: ${messageOf(cause)}`, { cause });
    }
    if (typeof text !== 'string') throw new PayloadError(`${root}: the serializer gave no text but ${typeof text}`);
    return `{"$huey":["${CUSTOM}",${JSON.stringify(text)}]}`;
  }

  /** @throws PayloadError */
  decodeValue(text: string): unknown {
    if (this.#serializer === undefined || !containsTags(text)) return decodeText(text);
    return this.#decodeOne(JSON.parse(text));
  }

  #decodeOne(value: unknown): unknown {
    const text = customText(value);
    if (text === undefined || this.#serializer === undefined) return decode(value);
    try {
      return this.#serializer.decode(text);
    } catch (cause) {
      throw new PayloadError(`a value cannot be decoded by the serializer: ${messageOf(cause)}`, { cause });
    }
  }

  /** What stands behind the signature. */
  #checked(id: string, name: string, signed: string): string {
    if (!signed.startsWith(SIGNED))
      throw new MalformedMessage(`the message of task ${id} is not signed, and this Huey takes signed ones only`);
    const mac = Buffer.from(signed.slice(SIGNED.length, SIGNED.length + MAC_CHARS), 'base64url');
    const rest = signed.slice(SIGNED.length + MAC_CHARS + 1);
    let valid = false;
    for (const key of this.#keys) {
      const expected = this.#mac(key, id, name, rest);
      if (mac.length === expected.length && process.getBuiltinModule('node:crypto').timingSafeEqual(mac, expected)) valid = true;
    }
    if (!valid) throw new MalformedMessage(`the message of task ${id} is not signed with a key of this Huey`);
    return rest;
  }

  /** None of the parts before the rest can hold a line break. */
  #mac(key: string, id: string, name: string, rest: string): Buffer {
    return process
      .getBuiltinModule('node:crypto')
      .createHmac('sha256', key)
      .update(`${MESSAGE_VERSION}\n${this.#queue}\n${id}\n${name}\n${rest}`)
      .digest();
  }
}

/** For messages of a Huey that says nothing about its payloads. */
export const PLAIN_CODEC = new PayloadCodec('');

/** @throws ConfigurationError */
export function checkSerializer(serializer: unknown): Serializer {
  const { encode, decode } = (serializer ?? {}) as { encode?: unknown; decode?: unknown };
  if (typeof encode === 'function' && typeof decode === 'function') return serializer as Serializer;
  throw new ConfigurationError('a serializer has encode(value), which gives text, and decode(text)', 'bad-option');
}

function inflated(base64: string): string {
  try {
    return process
      .getBuiltinModule('node:zlib')
      .gunzipSync(Buffer.from(base64, 'base64'), { maxOutputLength: MESSAGE_MAX_BYTES })
      .toString();
  } catch (cause) {
    throw new MalformedMessage(`the body cannot be inflated, or takes more than ${MESSAGE_MAX_BYTES} bytes`, { cause });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MalformedMessage('the body of the message is not JSON', { cause });
  }
}

function customText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const tag: unknown = (value as { $huey?: unknown }).$huey;
  if (!Array.isArray(tag) || tag[0] !== CUSTOM || typeof tag[1] !== 'string' || Object.keys(value).length !== 1) return undefined;
  return tag[1];
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
