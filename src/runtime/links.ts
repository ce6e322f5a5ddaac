/**
 * What links a task to those that come after it: the message of the next stage with what its parent returned, the
 * message of a handler with the error, and who will never run where a chain breaks. Pure.
 *
 * How a value is handed on:
 *     undefined, null        nothing
 *     tuple                  its elements, each one argument
 *     plain object           merged into the stage's own trailing plain object where there is one; the stage's keys win
 *     everything else        one argument
 * Arguments go behind the stage's own, but before its trailing plain object.
 */
import { encodeRecord } from './completion.js';
import { PayloadError } from './errors.js';
import type { ErrorInfo } from './lifecycle.js';
import { isGenerated } from './ids.js';
import { HANDED_ERROR_MAX_CHARS, ID_MAX_CHARS, MESSAGE_MAX_BYTES, RESULT_TTL_MS, SECOND_MS } from './limits.js';
import { encodeHead, readHead, type Body, type Stage } from './message.js';
import { PLAIN_CODEC, type PayloadCodec } from './payload-codec.js';
import { isPlainObject } from './serializer.js';
import type { Effects, EnqueueItem, IfKnown } from './storage.js';
import { isTuple } from './tuple.js';

/** The arguments of a chord's callback: the list goes behind its own, before its trailing plain object. */
export function withList(args: readonly unknown[], list: readonly unknown[]): unknown[] {
  const last = args.at(-1);
  return isPlainObject(last) ? [...args.slice(0, -1), list, last] : [...args, list];
}

/** The next stage, given what its parent returned. @throws PayloadError where the value cannot be encoded or is too large. */
export function nextItem(stage: Stage, value: unknown, codec: PayloadCodec = PLAIN_CODEC): EnqueueItem {
  return itemOf(stage, withValue(stage.body.args, value, codec), codec);
}

/** The handler of an error: it gets an Error with name and message as its last argument. */
export function handlerItem(stage: Stage, error: ErrorInfo, codec: PayloadCodec = PLAIN_CODEC): EnqueueItem {
  // By the built-in serializer: the supervisor, which has no other, makes handlers too.
  return itemOf(stage, [...stage.body.args, encoded(errorOf(error), PLAIN_CODEC)], codec);
}

/** What becomes of those who come after a call that is not made, because its id was enqueued before; nothing where nobody does. */
export function ifKnown(id: string, { ids, chord }: LaterStages): IfKnown | undefined {
  if (ids.length === 0 && chord === undefined) return undefined;
  return {
    ...endsAlong(ids, `task ${id}, which they were to follow, was enqueued before under this id`),
    ...(chord === undefined ? {} : { chord: { ...chord, value: 'null' } }),
  };
}

/** These end as canceled, because what they were to follow did not come to its end. */
export function endsAlong(ids: readonly string[], reason: string): Pick<Effects, 'also'> {
  const record = encodeRecord('canceled', JSON.stringify({ reason }));
  return ids.length === 0 ? {} : { also: ids.map((id) => ({ id, record, ttlSeconds: RESULT_TTL_MS / SECOND_MS })) };
}

/** The handler of an attempt that is not the last one: a call of its own, and so under an id of its own. */
export function forAttempt(handler: Stage, attempt: number): Stage {
  const { head, body } = handler;
  const own = readHead(head, -2);
  const suffix = `-${attempt}`;
  const id = own.id.slice(0, ID_MAX_CHARS - suffix.length) + suffix;
  const behind = body.onError === undefined ? body : { ...body, onError: forAttempt(body.onError, attempt) };
  return { ...handler, head: encodeHead({ ...own, id }), body: behind };
}

export interface LaterStages {
  /** Ids of all later stages, in order. */
  ids: string[];
  /** The chord that the last one (or this one, where it is the last) contributes to. */
  chord?: { id: string; index: number };
}

/** Whose end depends on this one's. */
export function laterStages(body: Body): LaterStages {
  const ids: string[] = [];
  let tail = body;
  while (tail.next !== undefined) {
    ids.push(readHead(tail.next.head, -2).id);
    tail = tail.next.body;
  }
  return tail.chord === undefined ? { ids } : { ids, chord: tail.chord };
}

/** `own` and the result are encoded. */
function withValue(own: readonly unknown[], value: unknown, codec: PayloadCodec): unknown[] {
  if (value === undefined || value === null) return [...own];
  const last = own.at(-1);
  const trailing = isRecord(last) ? plainOf(last, codec) : undefined;
  if (trailing === undefined) return [...own, ...handedOn(value, codec)];
  const before = own.slice(0, -1);
  if (isPlainObject(value)) return [...before, encoded({ ...value, ...trailing }, codec)];
  return [...before, ...handedOn(value, codec), last];
}

function handedOn(value: unknown, codec: PayloadCodec): unknown[] {
  return isTuple(value) ? value.map((item) => encoded(item, codec)) : [encoded(value, codec)];
}

/** The plain object that this encoded argument stands for; undefined where it stands for something else. */
function plainOf(encodedArg: Record<string, unknown>, codec: PayloadCodec): Record<string, unknown> | undefined {
  // Decoding changes its input, and the stage is part of a message that may be looked at again.
  const [value] = codec.decodeArgs([structuredClone(encodedArg)]);
  return isPlainObject(value) ? value : undefined;
}

function itemOf({ head, body, delayMs, etaMs }: Stage, args: unknown[], codec: PayloadCodec): EnqueueItem {
  const { id, name } = readHead(head, -2);
  const text = `["${head}",${codec.encodeBody(id, name, JSON.stringify({ ...body, args }))}]`;
  if (text.length * 3 > MESSAGE_MAX_BYTES) checkSize(name, text);
  const known = isGenerated(id) ? undefined : ifKnown(id, laterStages(body));
  return {
    text,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(etaMs === undefined ? {} : { etaMs }),
    ...(known === undefined ? {} : { ifKnown: known }),
  };
}

function checkSize(name: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MESSAGE_MAX_BYTES) return;
  throw new PayloadError(
    `with what was handed on, the call of ${name} takes ${bytes} bytes; at most ${MESSAGE_MAX_BYTES} are allowed: store the data elsewhere and hand on a reference`,
  );
}

/** The Error that stands for it. */
export function errorOf({ name, message, stack }: ErrorInfo): Error {
  const error = new Error(message.slice(0, HANDED_ERROR_MAX_CHARS));
  Object.defineProperty(error, 'name', { value: name.slice(0, HANDED_ERROR_MAX_CHARS), enumerable: false });
  // The stack of this line would mislead.
  Object.defineProperty(error, 'stack', { value: stack?.slice(0, HANDED_ERROR_MAX_CHARS), enumerable: false });
  return error;
}

function encoded(value: unknown, codec: PayloadCodec): unknown {
  return JSON.parse(codec.encodeValue(value, 'what the task handed on'));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
