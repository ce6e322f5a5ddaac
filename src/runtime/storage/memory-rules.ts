/** The small rules of a queue that is kept by this process, as functions of what they are given. */
import { GONE_PAYLOAD, type ResultRecord } from '../completion.js';
import { SEPARATOR, type Head } from '../message.js';
import * as limits from '../limits.js';
import type { Chunk, StepReply } from '../storage.js';
import { checkMessage } from './checks.js';

/** The digit of the head that counts lapses and deaths ends here. */
const COUNT_MAX = 35;

/** Undefined where the text is no message that could be leased. */
export function headOf(text: string): Head | undefined {
  try {
    return checkMessage(text);
  } catch {
    return undefined;
  }
}

export function hasExpired({ expiresAt }: Head, now: number): boolean {
  return expiresAt !== 0 && expiresAt <= now;
}

export function absoluteExpiry(head: Head, now: number): Head {
  return { ...head, expiresAt: now + head.expiresAt, expiryIsRelative: false };
}

/** Put aside by who leases it: nobody else would settle what belongs to its end. */
export function diedTooOften({ deaths }: Head): boolean {
  return deaths > limits.DEATHS_MAX;
}

/** Whether a record carries a value, and is no mere end marker. */
export function hasValue({ payload }: ResultRecord): boolean {
  return payload !== '' && payload !== GONE_PAYLOAD;
}

/** Whoever was a suspect already ran alone when its consumer died, so that death is its own. */
export function chargeLapse(head: Head): Head {
  const alone = head.lapses >= limits.SUSPECT_LAPSES;
  return { ...head, lapses: Math.min(head.lapses + 1, COUNT_MAX), deaths: Math.min(head.deaths + (alone ? 1 : 0), COUNT_MAX) };
}

/** Evenly over so many chunks; those that get nothing are not there. */
export function spread(texts: readonly string[], chunks: number): Chunk[] {
  const size = Math.ceil(texts.length / Math.max(chunks, 1));
  const spreadOut: Chunk[] = [];
  for (let at = 0; at < texts.length; at += size) {
    const part = texts.slice(at, at + size);
    spreadOut.push({ text: part.join(SEPARATOR), count: part.length });
  }
  return spreadOut;
}

/** The caller may take its reply apart; what is kept for a repeat must not change with it. */
export function copyReply(reply: StepReply): StepReply {
  return { ...reply, chunks: reply.chunks.map((chunk) => ({ ...chunk })), dropped: reply.dropped.map((one) => ({ ...one })) };
}
