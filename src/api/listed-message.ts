/** A message as people see it: what `pending`, `scheduled`, `running` and `dead` list. Times are seconds, as options are. */
import { SECOND_MS } from '../runtime/limits.js';
import { readHead, type Head } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { Listed } from '../runtime/storage.js';

export interface PendingMessage {
  id: string;
  name: string;
  /** Empty where they cannot be read; `unreadable` says why. */
  args: unknown[];
  priority: number;
  /** Retries that are left. */
  retries: number;
  retryDelay: number;
  retryBackoff: number;
  /** Undefined: none. */
  timeout: number | undefined;
  /** When it is due, where it is scheduled. */
  eta: Date | undefined;
  meta: Readonly<Record<string, unknown>>;
  /** Set where the message cannot be read. */
  unreadable?: string;
}

export interface DeadMessage extends PendingMessage {
  /** Why it was put aside, and when. */
  reason?: string;
  at?: Date;
}

export function listedMessage({ text, etaMs, reason, at }: Listed, codec: PayloadCodec): DeadMessage {
  return {
    ...messageIn(text, codec),
    eta: etaMs === undefined ? undefined : new Date(etaMs),
    ...(reason === undefined ? {} : { reason }),
    ...(at === undefined ? {} : { at: new Date(at) }),
  };
}

function messageIn(text: string, codec: PayloadCodec): PendingMessage {
  try {
    const { head, body } = codec.decodeMessage(text);
    const { retryDelayMs = 0, retryBackoff = 1, meta = {} } = body;
    return { ...inHead(head), args: codec.decodeArgs(body.args), retryDelay: retryDelayMs / SECOND_MS, retryBackoff, meta };
  } catch (error) {
    const unreadable = error instanceof Error ? error.message : String(error);
    return { ...inHead(readHead(text, 0)), args: [], retryDelay: 0, retryBackoff: 1, meta: {}, unreadable };
  }
}

type InHead = Pick<PendingMessage, 'id' | 'name' | 'priority' | 'retries' | 'timeout' | 'eta'>;

/** What is no number in a message that is none is shown as 0. */
function inHead({ id, name, priority, retries, timeoutMs }: Head): InHead {
  return {
    id,
    name,
    priority: priority || 0,
    retries: retries || 0,
    timeout: timeoutMs > 0 ? timeoutMs / SECOND_MS : undefined,
    eta: undefined,
  };
}
