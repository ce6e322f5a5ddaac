/**
 * Values <-> JSON text. What JSON has no form for travels as a tag, an object with the one key TAG:
 *
 *     {"$huey":["date",1700000000000]}
 *
 * and comes back as what it was: Date, Map, Set, bigint, Buffer, typed arrays, undefined, NaN, the infinities, -0, Error,
 * tuple. A plain object that has the key TAG itself is wrapped, so that it survives unchanged.
 *
 * Plain data is the common case and costs one walk that looks for anything special, then the engine's own
 * JSON.stringify; text without a tag is not looked at again after JSON.parse. Nothing is revived by class: an object with
 * `toJSON` becomes what that gives, any other class instance is refused with the path to it.
 */
import { types } from 'node:util';
import { PayloadError } from './errors.js';
import { MESSAGE_MAX_BYTES, PAYLOAD_MAX_DEPTH } from './limits.js';
import { isTuple, markTuple } from './tuple.js';

const TAG = '$huey';
const TAG_TEXT = `"${TAG}"`;
/** A value takes at least a byte: with more values than this it is too large in any case. It also ends the walk of shared, nested lists. */
const VALUES_MAX = MESSAGE_MAX_BYTES;
/** Tags nest deeper than what they stand for: `{"$huey":["map",[[k,v]]]}` is five levels for one. */
const DECODE_MAX_DEPTH = PAYLOAD_MAX_DEPTH * 5 + 5;

/**
 * JSON text without raw line breaks. `root` names the value in errors, as in `args[0].user.fn`.
 * @throws PayloadError where the value holds a function, a symbol, a cycle, a class instance without `toJSON`, or is too deep.
 */
export function encode(value: unknown, root = 'value'): string {
  // As JSON.stringify, without the way there.
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return String(value);
  valuesLeft = VALUES_MAX;
  return isPlainData(value, 0) ? JSON.stringify(value) : new TagWriter(root).write(value, 0);
}

/** Whether the text may hold tags; without, what JSON.parse gives is the value. */
export function containsTags(text: string): boolean {
  return text.includes(TAG_TEXT);
}

/** What JSON.parse gave, with tags turned into what they stand for; changes it in place. @throws PayloadError on an unknown tag. */
export function decode(parsed: unknown): unknown {
  return revive(parsed, 0);
}

/** Text -> value, in one call. @throws PayloadError where the text is not JSON or has an unknown tag. */
export function decodeText(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new PayloadError('the stored value is not JSON', { cause });
  }
  return containsTags(text) ? decode(parsed) : parsed;
}

let valuesLeft = 0;

/** Whether JSON.stringify gives this value exactly. False for everything doubtful: then TagWriter decides. */
function isPlainData(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= PAYLOAD_MAX_DEPTH || --valuesLeft < 0) return false;
  if (Array.isArray(value)) {
    if (isTuple(value)) return false;
    for (const item of value as unknown[]) if (!isPlainData(item, depth + 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key of Object.keys(value)) {
    if (key === TAG || !isPlainData((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

/** Writes values with tags, and names the path to what cannot be written. */
class TagWriter {
  readonly #root: string;
  readonly #path: (string | number)[] = [];
  readonly #ancestors = new Set<object>();
  #valuesLeft = VALUES_MAX;

  constructor(root: string) {
    this.#root = root;
  }

  write(value: unknown, depth: number): string {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return JSON.stringify(value);
      case 'number':
        return Number.isFinite(value) && !Object.is(value, -0)
          ? String(value)
          : tagged('number', `"${Object.is(value, -0) ? '-0' : String(value)}"`);
      case 'undefined':
        return tagged('undefined');
      case 'bigint':
        return tagged('bigint', `"${value}"`);
      case 'object':
        return value === null ? 'null' : this.#writeObject(value, depth);
      default:
        throw this.#refusal(`is a ${typeof value}, which cannot be stored`);
    }
  }

  #writeObject(value: object, depth: number): string {
    if (this.#ancestors.has(value)) throw this.#refusal('refers back to a value that it is part of (a cycle)');
    if (depth >= PAYLOAD_MAX_DEPTH) throw this.#refusal(`is nested deeper than ${PAYLOAD_MAX_DEPTH} levels`);
    if (--this.#valuesLeft < 0) throw this.#refusal(`is part of more than ${VALUES_MAX} values`);
    this.#ancestors.add(value);
    const text = this.#writeKind(value, depth);
    this.#ancestors.delete(value);
    return text;
  }

  #writeKind(value: object, depth: number): string {
    if (Array.isArray(value)) return isTuple(value) ? tagged('tuple', this.#writeList(value, depth)) : this.#writeList(value, depth);
    if (types.isDate(value)) return tagged('date', JSON.stringify(value.getTime()));
    if (types.isMap(value)) return tagged('map', this.#writeList([...value], depth));
    if (types.isSet(value)) return tagged('set', this.#writeList([...value], depth));
    if (types.isArrayBuffer(value) || ArrayBuffer.isView(value)) return tagged('bytes', `"${kindOfBytes(value)}","${base64(value)}"`);
    if (types.isNativeError(value) || value instanceof Error) return tagged('error', this.#writeRecord(errorParts(value), depth));
    if (hasToJson(value)) return this.#writeJsonForm(value.toJSON(String(this.#path.at(-1) ?? '')), depth);
    if (!isPlainObject(value)) throw this.#refusal(`is a ${className(value)}, a class instance without toJSON; pass plain data instead`);
    return this.#writePlain(value, depth);
  }

  /** As JSON.stringify does: what toJSON gave is not asked for its own toJSON. */
  #writeJsonForm(form: unknown, depth: number): string {
    if (typeof form !== 'object' || form === null || !hasToJson(form)) return this.write(form, depth);
    return this.#writePlain(form, depth);
  }

  #writePlain(value: object, depth: number): string {
    const text = this.#writeRecord(value as Record<string, unknown>, depth);
    return Object.hasOwn(value, TAG) ? tagged('plain', text) : text;
  }

  #writeRecord(record: Record<string, unknown>, depth: number): string {
    const parts: string[] = [];
    for (const key of Object.keys(record)) {
      const value = record[key];
      if (typeof value === 'function' && key === 'toJSON') continue;
      parts.push(`${JSON.stringify(key)}:${this.#at(key, value, depth)}`);
    }
    return `{${parts.join(',')}}`;
  }

  #writeList(items: readonly unknown[], depth: number): string {
    if (items.length > VALUES_MAX) throw this.#refusal(`has more than ${VALUES_MAX} values`);
    const parts: string[] = [];
    // By index: a hole is written as undefined.
    for (let i = 0; i < items.length; i++) parts.push(this.#at(i, items[i], depth));
    return `[${parts.join(',')}]`;
  }

  #at(key: string | number, value: unknown, depth: number): string {
    this.#path.push(key);
    const text = this.write(value, depth + 1);
    this.#path.pop();
    return text;
  }

  #refusal(what: string): PayloadError {
    // A path of hundreds of steps helps nobody.
    const steps = this.#path.slice(0, 20).map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    });
    return new PayloadError(`${this.#root}${steps.join('')}${this.#path.length > 20 ? '...' : ''} ${what}`);
  }
}

function tagged(type: string, content?: string): string {
  return content === undefined ? `{${TAG_TEXT}:["${type}"]}` : `{${TAG_TEXT}:["${type}",${content}]}`;
}

function hasToJson(value: object): value is { toJSON(key: string): unknown } {
  return typeof (value as { toJSON?: unknown }).toJSON === 'function';
}

/** Of this realm or another (test runners load modules in realms of their own). */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function className(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== ''
    ? constructor.name
    : Object.prototype.toString.call(value).slice(8, -1);
}

function kindOfBytes(value: ArrayBuffer | ArrayBufferView): string {
  return Buffer.isBuffer(value) ? 'Buffer' : Object.prototype.toString.call(value).slice(8, -1);
}

function base64(value: ArrayBuffer | ArrayBufferView): string {
  const bytes = ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value);
  return bytes.toString('base64');
}

function errorParts(error: Error): Record<string, unknown> {
  const { code } = error as { code?: unknown };
  return {
    name: String(error.name),
    message: String(error.message),
    ...(typeof error.stack === 'string' ? { stack: error.stack } : {}),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(error.cause !== undefined ? { cause: error.cause } : {}),
  };
}

function revive(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DECODE_MAX_DEPTH) throw new PayloadError('the stored value is nested too deep');
  if (Array.isArray(value)) return reviveList(value, depth);
  const record = value as Record<string, unknown>;
  return Object.hasOwn(record, TAG) ? reviveTag(record, depth) : reviveRecord(record, depth);
}

function reviveList(items: unknown[], depth: number): unknown[] {
  for (let i = 0; i < items.length; i++) items[i] = revive(items[i], depth + 1);
  return items;
}

/** The keys are own properties already, so that writing to `__proto__` changes a value and no prototype. */
function reviveRecord(record: Record<string, unknown>, depth: number): Record<string, unknown> {
  for (const key of Object.keys(record)) record[key] = revive(record[key], depth + 1);
  return record;
}

function reviveTag(record: Record<string, unknown>, depth: number): unknown {
  const tag = record[TAG];
  if (!Array.isArray(tag) || Object.keys(record).length !== 1) throw malformed('it is no tag');
  const [type, content, more] = tag as unknown[];
  switch (type) {
    case 'undefined':
      return undefined;
    case 'number':
      return Number(content);
    case 'bigint':
      return reviveBigint(content);
    case 'date':
      return new Date(typeof content === 'number' ? content : NaN);
    case 'map':
      return new Map(reviveList(list(content), depth).map((entry) => list(entry) as [unknown, unknown]));
    case 'set':
      return new Set(reviveList(list(content), depth));
    case 'tuple':
      return markTuple(reviveList(list(content), depth));
    case 'bytes':
      return reviveBytes(content, more);
    case 'error':
      return reviveError(reviveRecord(object(content), depth));
    case 'plain':
      return reviveRecord(object(content), depth);
    default:
      throw malformed(`type ${JSON.stringify(type)} is unknown here; it may come from a newer version`);
  }
}

function reviveBigint(content: unknown): bigint {
  if (typeof content !== 'string' || !/^-?\d+$/.test(content)) throw malformed('it is no bigint');
  return BigInt(content);
}

/** The only classes that data can name. */
const VIEWS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;
const ERRORS = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError } as const;

function reviveBytes(kind: unknown, text: unknown): unknown {
  if (typeof kind !== 'string' || typeof text !== 'string') throw malformed('it has no bytes');
  const bytes = Buffer.from(text, 'base64');
  if (kind === 'Buffer') return bytes;
  // A buffer of its own: small Buffers share one, at offsets that a wider view cannot start at.
  const buffer = new Uint8Array(bytes).buffer;
  if (kind === 'ArrayBuffer') return buffer;
  if (kind === 'DataView') return new DataView(buffer);
  if (!Object.hasOwn(VIEWS, kind)) throw malformed(`bytes of the kind ${JSON.stringify(kind)} are unknown here`);
  const View = VIEWS[kind as keyof typeof VIEWS];
  if (buffer.byteLength % View.BYTES_PER_ELEMENT !== 0) throw malformed('its bytes are cut off');
  return new View(buffer);
}

function reviveError(parts: Record<string, unknown>): Error {
  const name = String(parts['name']);
  const options = Object.hasOwn(parts, 'cause') ? { cause: parts['cause'] } : undefined;
  const Class = Object.hasOwn(ERRORS, name) ? ERRORS[name as keyof typeof ERRORS] : Error;
  const error = new Class(String(parts['message']), options);
  hide(error, 'stack', typeof parts['stack'] === 'string' ? parts['stack'] : `${name}: ${error.message}`);
  if (error.name !== name) hide(error, 'name', name);
  if (Object.hasOwn(parts, 'code')) Object.assign(error, { code: parts['code'] });
  return error;
}

/** As an error's own properties are: not listed among its keys. */
function hide(error: Error, key: string, value: string): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
}

function list(content: unknown): unknown[] {
  if (!Array.isArray(content)) throw malformed('it has no list');
  return content as unknown[];
}

function object(content: unknown): Record<string, unknown> {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw malformed('it has no object');
  return content as Record<string, unknown>;
}

function malformed(why: string): PayloadError {
  return new PayloadError(`a value cannot be read: it holds a tag (${TAG_TEXT}) that is not understood: ${why}`);
}
