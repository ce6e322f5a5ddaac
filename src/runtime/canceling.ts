/**
 * Canceling one invocation from any process, wherever it is: the verbs that a storage has for it, and the walk through
 * them. What runs is stopped by its consumer, who is told at once; what waits ends here, with all that belongs to its end.
 *
 * The mark comes first. From then on the invocation can only end as canceled: who leases it drops it, who runs it stops
 * it, whatever becomes of the process that called. So the search behind it may be slow, and may be beaten by a consumer.
 */
import { decide } from './lifecycle.js';
import type { Message } from './message.js';
import type { PayloadCodec } from './payload-codec.js';
import type { ProducerStorage, Transition } from './storage.js';

/** `running`: in flight of some consumer. `waiting`: neither that nor ended, perhaps unknown. */
export type CancelState = 'ended' | 'running' | 'waiting';

/** A message that waits. */
export interface WaitingMessage {
  text: string;
  /** Where it was found, as the storage calls it. */
  at: string;
}

export interface CancelVerbs {
  /**
   * Marks an invocation as canceled, unless it has ended, and tells the consumer that has it in flight. Whoever leases
   * it next drops it as canceled; a requeue of it does not wait. The mark goes with the end of the invocation, or 30 days
   * after now or its due date. Atomic, repeatable.
   */
  cancel(id: string): Promise<CancelState>;
  /** Takes the mark back, unless the invocation is in flight or has ended. Atomic, repeatable. */
  withdrawCancel(id: string): Promise<CancelState>;
  /**
   * Looks for a message that is scheduled or ready, in portions, so that nobody has to wait for it. Finds what stays
   * where it is or moves from the schedule to ready; what is leased and given back meanwhile it may miss.
   */
  findWaiting(id: string): Promise<WaitingMessage | undefined>;
  /** Takes exactly this message out of where it was found and ends it. False where it is not there any more. Atomic. */
  endWaiting(message: WaitingMessage, transition: Extract<Transition, { kind: 'settle' }>): Promise<boolean>;
}

export interface CancelContext {
  codec: PayloadCodec;
  /** How long the end is kept. */
  resultTtlMs: number;
}

export interface Cancellation {
  /** It will end as canceled, or has by now; false where it had ended before, or nobody knows it. */
  canceled: boolean;
  /** It waited, and has ended by this very call: no consumer tells of it. */
  ended?: Message;
}

/** What waiters are told. */
export const CANCEL_REASON = 'it was canceled';

/** Between a search and the next one it moved each time. The mark ends it all the same, a little later. */
const SEARCHES_MAX = 5;

/** @throws StorageUnavailable; where its mark was set it ends as canceled all the same, and it may be canceled again. */
export async function cancelInvocation(storage: ProducerStorage, id: string, context: CancelContext): Promise<Cancellation> {
  let state = await storage.cancel(id);
  if (state === 'ended') return { canceled: false };
  for (let searches = 0; state === 'waiting' && searches < SEARCHES_MAX; searches++) {
    const found = await storage.findWaiting(id);
    if (found === undefined) {
      state = await storage.withdrawCancel(id);
      if (state === 'waiting') return { canceled: false };
    } else {
      const message = readable(found.text, context.codec);
      // Whoever leases it can read it, and finds the mark.
      if (message === undefined) return { canceled: true };
      if (await storage.endWaiting(found, endOf(found.text, message, context))) return { canceled: true, ended: message };
      state = await storage.cancel(id);
    }
  }
  if (state !== 'ended') return { canceled: true };
  const [record] = await storage.readResults([id]);
  return { canceled: record?.state === 'canceled' };
}

function endOf(text: string, message: Message, { codec, resultTtlMs }: CancelContext): Extract<Transition, { kind: 'settle' }> {
  const { transition } = decide(text, message, { kind: 'cancel', retry: false, reason: CANCEL_REASON }, { now: 0, resultTtlMs, codec });
  if (transition.kind !== 'settle') throw new TypeError(`a cancel for good is a settle, not a ${transition.kind}`);
  return transition;
}

function readable(text: string, codec: PayloadCodec): Message | undefined {
  try {
    return codec.decodeMessage(text);
  } catch {
    return undefined;
  }
}
