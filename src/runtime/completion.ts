/**
 * Completions: how a worker thread tells the storage that tasks have ended, as bytes that the threads between them
 * never look into. One after the other, each as three values of MessagePack, always in these of its forms:
 *
 *     0xd9 u8 length of id | id | 0xce u32 time to live of the result in seconds | 0xdb u32 length of record | record
 *
 * big-endian. A record is one letter for the final state and then the payload, JSON text in UTF-8 (STATE_LETTERS).
 * Redis reads many of them in one call of cmsgpack.
 */
import { MalformedMessage } from './errors.js';

/** The final states: the same words in code, storage and docs. */
export type FinalState = 'done' | 'failed' | 'canceled' | 'revoked' | 'expired' | 'dead';

/**
 * The payload of a record whose value was read and removed: it stays as an end marker, so that a later reader learns
 * that there was a value. It can be told from JSON text and from '' (a task that left no value).
 */
export const GONE_PAYLOAD = '-';

/** What is stored of an ended task. `payload` is JSON text; empty where a done task left no value; GONE_PAYLOAD where it was read. */
export interface ResultRecord {
  state: FinalState;
  payload: string;
}

const LETTERS = { done: 'd', failed: 'f', canceled: 'c', revoked: 'r', expired: 'e', dead: 'x' } as const satisfies Record<
  FinalState,
  string
>;
const STATES = new Map(Object.entries(LETTERS).map(([state, letter]) => [letter as string, state as FinalState]));

export function encodeRecord(state: FinalState, payload: string): string {
  return LETTERS[state] + payload;
}

export function decodeRecord(text: string): ResultRecord {
  return { state: STATES.get(text.charAt(0)) ?? 'dead', payload: text.slice(1) };
}

export interface Completion {
  id: string;
  ttlSeconds: number;
  /** encodeRecord(...) */
  record: string;
}

const TAG = { id: 0xd9, ttl: 0xce, record: 0xdb } as const;
const FIXED_BYTES = 2 + 5 + 5;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The room that a completion may take, at most. */
export function completionMaxBytes(id: string, record: string): number {
  return FIXED_BYTES + id.length + record.length * 3;
}

/** Writes a completion at `offset`; the caller has checked the room (completionMaxBytes). Gives the offset behind it. */
export function writeCompletion(bytes: Uint8Array, offset: number, id: string, ttlSeconds: number, record: string): number {
  let at = offset;
  bytes[at++] = TAG.id;
  bytes[at++] = id.length;
  for (let i = 0; i < id.length; i++) bytes[at++] = id.charCodeAt(i);
  bytes[at++] = TAG.ttl;
  at = writeUint32(bytes, at, ttlSeconds);
  bytes[at++] = TAG.record;
  const length = writeText(bytes, at + 4, record);
  return writeUint32(bytes, at, length) + length;
}

/** One completion as bytes of its own. */
export function encodeCompletion({ id, ttlSeconds, record }: Completion): Uint8Array {
  const bytes = new Uint8Array(completionMaxBytes(id, record));
  return bytes.slice(0, writeCompletion(bytes, 0, id, ttlSeconds, record));
}

/** Reads what writeCompletion wrote. @throws MalformedMessage where the bytes end in the middle of a completion. */
export function decodeCompletions(bytes: Uint8Array): Completion[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const completions: Completion[] = [];
  const room = (end: number): void => {
    if (end > bytes.byteLength) throw new MalformedMessage('the completions of a worker are cut off');
  };
  for (let at = 0; at < bytes.byteLength;) {
    room(at + 2);
    const idEnd = at + 2 + view.getUint8(at + 1);
    room(idEnd + 10);
    const id = decoder.decode(bytes.slice(at + 2, idEnd));
    const ttlSeconds = view.getUint32(idEnd + 1);
    const recordAt = idEnd + 10;
    const recordEnd = recordAt + view.getUint32(recordAt - 4);
    room(recordEnd);
    completions.push({ id, ttlSeconds, record: decoder.decode(bytes.slice(recordAt, recordEnd)) });
    at = recordEnd;
  }
  return completions;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

/** Short ASCII is copied by hand: encodeInto costs more than such a text is long. */
function writeText(bytes: Uint8Array, at: number, text: string): number {
  if (text.length > 64) return encoder.encodeInto(text, bytes.subarray(at)).written;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = code;
  }
  return text.length;
}
