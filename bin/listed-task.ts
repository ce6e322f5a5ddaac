/** One message of a list, as people and programs see it. Arguments only where they are asked for. */
import { decodeHead, type Body, type Head } from '../src/runtime/message.js';
import type { PayloadCodec } from '../src/runtime/payload-codec.js';
import type { Listed, Place } from '../src/runtime/storage.js';
import { when, type Column } from './table.js';

export interface ListedTask {
  id: string;
  /** Undefined where the bytes are no message. */
  name?: string;
  priority?: number;
  /** The next run, or the one that is on; from 1. */
  attempt?: number;
  /** Retries that are left. */
  retries?: number;
  /** ISO. */
  enqueued?: string;
  due?: string;
  expires?: string;
  since?: string;
  reason?: string;
  args?: unknown;
}

const UNREADABLE = '(unreadable)';

export function describe({ text, id, etaMs, at, reason }: Listed, codec: PayloadCodec, withArgs: boolean): ListedTask {
  const head = quietly(() => decodeHead(text));
  const body = quietly(() => codec.decodeMessage(text).body);
  return {
    id: id ?? head?.id ?? UNREADABLE,
    ...(head === undefined ? {} : ofHead(head)),
    ...(body === undefined ? {} : isoOf('enqueued', body.at)),
    ...isoOf('due', etaMs),
    ...isoOf('since', at),
    ...(reason === undefined ? {} : { reason }),
    ...(withArgs ? { args: argsOf(body, codec) } : {}),
  };
}

/** What of them concerns a place. */
export function columnsOf(place: Place, withArgs: boolean): Column<ListedTask>[] {
  const id = { title: 'ID', of: (task: ListedTask) => task.id };
  const name = { title: 'TASK', of: (task: ListedTask) => task.name ?? UNREADABLE };
  const number = (title: string, key: 'priority' | 'attempt' | 'retries') => ({ title, of: (task: ListedTask) => task[key] ?? 0 });
  const date = (title: string, key: 'enqueued' | 'due' | 'expires' | 'since') => ({
    title,
    of: (task: ListedTask) => when(task[key] === undefined ? undefined : Date.parse(task[key])),
  });
  const reason = { title: 'REASON', of: (task: ListedTask) => task.reason ?? '-' };
  const args = { title: 'ARGUMENTS', of: (task: ListedTask) => JSON.stringify(task.args) ?? '-' };
  const own = {
    ready: [number('PRIORITY', 'priority'), number('RETRIES', 'retries'), date('ENQUEUED', 'enqueued'), date('EXPIRES', 'expires')],
    scheduled: [number('PRIORITY', 'priority'), number('RETRIES', 'retries'), date('DUE', 'due')],
    running: [number('PRIORITY', 'priority'), number('ATTEMPT', 'attempt'), date('ENQUEUED', 'enqueued')],
    dead: [date('SINCE', 'since'), reason],
  } satisfies Record<Place, Column<ListedTask>[]>;
  return [id, name, ...own[place], ...(withArgs ? [args] : [])];
}

function ofHead(head: Head): Partial<ListedTask> {
  const { name, priority, attempts, retries, expiresAt, expiryIsRelative } = head;
  const expires = expiresAt === 0 || expiryIsRelative === true ? {} : isoOf('expires', expiresAt);
  return { name, priority, attempt: attempts + 1, retries, ...expires };
}

function argsOf(body: Body | undefined, codec: PayloadCodec): unknown {
  return quietly(() => (body === undefined ? UNREADABLE : codec.decodeArgs(body.args))) ?? UNREADABLE;
}

function isoOf<K extends string>(key: K, ms: number | undefined): { [key in K]?: string } {
  const iso = ms === undefined ? undefined : quietly(() => new Date(ms).toISOString());
  return (iso === undefined ? {} : { [key]: iso }) as { [key in K]?: string };
}

/** What is in a queue was written by others, perhaps by another version. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
