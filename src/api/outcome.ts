/** The record of an ended task -> what whoever waits for it gets: its value, or the error that stands for its final state. */
import { GONE_PAYLOAD, type ResultRecord } from '../runtime/completion.js';
import {
  RateLimitExceeded,
  TaskCanceled,
  TaskDead,
  TaskException,
  TaskExpired,
  TaskLocked,
  TaskRevoked,
  TaskTimeout,
  type HueyException,
  type TaskErrorMetadata,
} from '../runtime/errors.js';
import { PLAIN_CODEC, type PayloadCodec } from '../runtime/payload-codec.js';

export type Outcome =
  | { kind: 'value'; value: unknown; stored: boolean }
  | { kind: 'error'; error: HueyException; stored: boolean }
  /** It was read, and so removed, before. */
  | { kind: 'gone' };

/** `stored`: there is something to remove once it has arrived. @throws PayloadError where the value cannot be read. */
export function readOutcome(id: string, { state, payload }: ResultRecord, codec: PayloadCodec = PLAIN_CODEC): Outcome {
  switch (state) {
    case 'done':
      if (payload === GONE_PAYLOAD) return { kind: 'gone' };
      // A task that returned nothing leaves no value.
      return payload === ''
        ? { kind: 'value', value: undefined, stored: false }
        : { kind: 'value', value: codec.decodeValue(payload), stored: true };
    case 'failed':
      if (payload === GONE_PAYLOAD) return { kind: 'gone' };
      return { kind: 'error', error: failureOf(id, payload), stored: payload !== '' };
    case 'canceled':
      return { kind: 'error', error: new TaskCanceled(id, reasonIn(payload)), stored: false };
    case 'revoked':
      return { kind: 'error', error: new TaskRevoked(id), stored: false };
    case 'expired':
      return { kind: 'error', error: new TaskExpired(id), stored: false };
    case 'dead':
      return { kind: 'error', error: new TaskDead(id, reasonIn(payload) ?? 'no reason was kept'), stored: false };
    default:
      return state satisfies never;
  }
}

/** An attempt that failed and will be retried; `payload` is as of a failed task. */
export function readIntermediateError(id: string, payload: string): TaskException {
  return failureOf(id, payload, true);
}

/** The payload of a failed task is `{ code, error, name, message, retries, traceback, taskId, willRetry }`. */
function failureOf(id: string, payload: string, retried = false): TaskException {
  const parts = recordIn(payload);
  const { code, error, retries, traceback, willRetry } = parts;
  const metadata: TaskErrorMetadata = {
    error: typeof error === 'string' ? error : `task ${id} failed; what was thrown is not known`,
    retries: typeof retries === 'number' ? retries : 0,
    taskId: id,
    willRetry: retried || willRetry === true,
  };
  if (typeof traceback === 'string') metadata.traceback = traceback;
  switch (code) {
    case 'timeout':
      return new TaskTimeout(metadata);
    case 'locked':
      return new TaskLocked(metadata);
    case 'rate-limited':
      return new RateLimitExceeded(metadata);
    default:
      return new TaskException(metadata, typeof code === 'string' ? code : 'error');
  }
}

function reasonIn(payload: string): string | undefined {
  const { reason } = recordIn(payload);
  return typeof reason === 'string' ? reason : undefined;
}

/** An end must never become unreadable: what is not understood is left out. */
function recordIn(payload: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(payload);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
