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
import { PayloadError } from './errors.js';
import type { ErrorInfo } from './lifecycle.js';
import { HANDED_ERROR_MAX_CHARS, MESSAGE_MAX_BYTES } from './limits.js';
import { readHead, type Body, type Stage } from './message.js';
import { decode, encode, isPlainObject } from './serializer.js';
import type { EnqueueItem } from './storage.js';
import { isTuple } from './tuple.js';

/** The next stage, given what its parent returned. @throws PayloadError where the value cannot be encoded or is too large. */
export function nextItem(stage: Stage, value: unknown): EnqueueItem {
  return itemOf(stage, withValue(stage.body.args, value));
}

/** The handler of an error: it gets an Error with name and message as its last argument. */
export function handlerItem(stage: Stage, error: ErrorInfo): EnqueueItem {
  return itemOf(stage, [...stage.body.args, encoded(errorOf(error), 'the error')]);
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

/** `own` and the result are as the serializer encoded them. */
function withValue(own: readonly unknown[], value: unknown): unknown[] {
  if (value === undefined || value === null) return [...own];
  const last = own.at(-1);
  const trailing = isRecord(last) ? plainOf(last) : undefined;
  if (trailing === undefined) return [...own, ...handedOn(value)];
  const before = own.slice(0, -1);
  if (isPlainObject(value)) return [...before, encoded({ ...value, ...trailing }, 'what the task handed on')];
  return [...before, ...handedOn(value), last];
}

function handedOn(value: unknown): unknown[] {
  return isTuple(value) ? value.map((item) => encoded(item, 'what the task handed on')) : [encoded(value, 'what the task handed on')];
}

/** The plain object that this encoded argument stands for; undefined where it stands for something else. */
function plainOf(encodedArg: Record<string, unknown>): Record<string, unknown> | undefined {
  // Decoding changes its input, and the stage is part of a message that may be looked at again.
  const value = decode(structuredClone(encodedArg));
  return isPlainObject(value) ? value : undefined;
}

function itemOf({ head, body, delayMs, etaMs }: Stage, args: unknown[]): EnqueueItem {
  const text = `["${head}",${JSON.stringify({ ...body, args })}]`;
  if (text.length * 3 > MESSAGE_MAX_BYTES) checkSize(head, text);
  return { text, ...(delayMs === undefined ? {} : { delayMs }), ...(etaMs === undefined ? {} : { etaMs }) };
}

function checkSize(head: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MESSAGE_MAX_BYTES) return;
  throw new PayloadError(
    `with what was handed on, the call of ${readHead(head, -2).name} takes ${bytes} bytes; at most ${MESSAGE_MAX_BYTES} are allowed: store the data elsewhere and hand on a reference`,
  );
}

function errorOf({ name, message, stack }: ErrorInfo): Error {
  const error = new Error(message.slice(0, HANDED_ERROR_MAX_CHARS));
  Object.defineProperty(error, 'name', { value: name.slice(0, HANDED_ERROR_MAX_CHARS), enumerable: false });
  // The stack of this line would mislead.
  Object.defineProperty(error, 'stack', { value: stack?.slice(0, HANDED_ERROR_MAX_CHARS), enumerable: false });
  return error;
}

function encoded(value: unknown, root: string): unknown {
  return JSON.parse(encode(value, root));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
